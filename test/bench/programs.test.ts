import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConsoleSession } from '../../bench/contender/console-session.ts';
import { KernelFailed, REFERENCE_WORK } from '../../bench/contender/contender.ts';
import { createLiveMachine } from '../../bench/contender/live-machine.ts';
import { qemuArguments } from '../../bench/contender/qemu.ts';
import { LineSplitter } from '../../bench/markers.ts';
import { parseOptions } from '../../bench/options.ts';
import { programKit, programMachine } from '../../bench/program-image.ts';
import { sourceFolder } from '../../bench/sources.ts';
import { PROGRAMS, SUITE } from '../../bench/suite.ts';
import { findDebianDisk, readCpio } from '../../src/guest/index.ts';
import { patient } from '../support/tiers.ts';

const programs = sourceFolder('programs');

function missing(program: string): boolean {
  return spawnSync(program, ['--version']).error !== undefined;
}

/** A session and what it sent. */
function scripted(answer: (session: ConsoleSession, command: string) => void): ConsoleSession {
  const session: ConsoleSession = new ConsoleSession((text) => queueMicrotask(() => answer(session, text)));
  return session;
}

function lines(session: ConsoleSession, ...texts: [text: string, atMs: number][]): void {
  for (const [text, atMs] of texts) session.line({ text, atMs, cpuMs: atMs, instructions: atMs * 1000 });
}

describe('the times of programs', () => {
  it('end where the program does, not where its result has been looked at', async () => {
    const session = scripted((to, command) => {
      expect(command).toBe('gzip 3\n');
      lines(
        to,
        ['@start gzip', 100],
        ['@stop gzip', 350],
        ['@end gzip checksum=0123456789abcdef', 900],
        ['@ready', 901],
      );
    });
    const run = { checksum: '0123456789abcdef', wallMs: 250, cpuMs: 250, instructions: 250_000 };
    expect(await session.run('gzip', 3)).toEqual(run);
  });

  it('are per gigabyte for what runs for a time', async () => {
    const session = scripted((to) => {
      const work = REFERENCE_WORK / 4;
      lines(
        to,
        ['@start speed', 0],
        [`@stop speed work=${work}`, 1000],
        ['@end speed checksum=0000000000000000', 1001],
      );
      lines(to, ['@ready', 1002]);
    });
    expect((await session.run('speed', 1)).wallMs).toBe(4000);
  });

  it('are not given for a program that fails', async () => {
    const session = scripted((to) =>
      lines(to, ['@start gcc', 0], ['@stop gcc', 5], ['@failed gcc 1', 6], ['@ready', 7]),
    );
    await expect(session.run('gcc', 1)).rejects.toThrow(KernelFailed);
  });
});

describe('options', () => {
  it('name programs alone or together, and then the disk is built', () => {
    expect(parseOptions(['--only', 'programs'])).toMatchObject({
      programs: PROGRAMS,
      kernels: [],
      boot: false,
      buildDisk: true,
    });
    expect(parseOptions(['--only', 'xz,boot']).programs.map(({ name }) => name)).toEqual(['xz']);
    expect(parseOptions([])).toMatchObject({ programs: PROGRAMS, kernels: SUITE, boot: true, buildDisk: false });
    expect(() => parseOptions(['--only', 'bzip2'])).toThrow(/no benchmark "bzip2"/);
  });
});

it('gives QEMU its disks, with commas in their names doubled', () => {
  const disks = [
    { path: '/a,b/root.qcow2', format: 'qcow2', readonly: false },
    { path: '/a/kit', format: 'raw', readonly: true },
  ] as const;
  const base = {
    kernelPath: 'k',
    initrdPath: 'i',
    kernelVersion: '6',
    commandLine: 'quiet',
    memoryMebibytes: 64,
    disks,
  };
  const args = qemuArguments(base);
  expect(args).toContain('if=none,id=disk0,file=/a,,b/root.qcow2,format=qcow2,readonly=off');
  expect(args).toContain('if=none,id=disk1,file=/a/kit,format=raw,readonly=on');
});

describe('what the guest gets', () => {
  it('has the script and all sources', async () => {
    const names = readCpio(await programKit()).map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['run.sh', 'text.py', 'python.py', 'sqlite.sql', 'kernels/harness.c']),
    );
    for (const { name } of SUITE) expect(names).toContain(`kernels/${name}.c`);
  });

  it.skipIf(missing('bash'))('is a script that bash can read, with a case for each program', () => {
    execFileSync('bash', ['-n', join(programs, 'run.sh')]);
    const text = execFileSync('cat', [join(programs, 'run.sh')], { encoding: 'utf8' });
    for (const { name } of PROGRAMS) expect(text).toContain(`  ${name}) `.trimEnd());
  });

  it.skipIf(missing('python3'))('makes the same data and results every time', () => {
    const once = execFileSync('python3', [join(programs, 'text.py'), '5'], { maxBuffer: 2 ** 23 });
    expect(once.length).toBe(5_000_000);
    expect(once.subarray(4_000_000).equals(once.subarray(0, 1_000_000))).toBe(true);
    expect(execFileSync('python3', [join(programs, 'text.py'), '1'])).toEqual(once.subarray(0, 1_000_000));
    const round = (): string => execFileSync('python3', [join(programs, 'python.py'), '1'], { encoding: 'utf8' });
    expect(round()).toBe(round());
  });
});

describe('on Debian', async () => {
  // The usual disk has no compiler, but all that this needs.
  const debian = await findDebianDisk().catch(() => undefined);
  const folder = mkdtempSync(join(tmpdir(), 'godwit-programs-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const reason = debian ? '' : ' (skipped: no Debian disk yet; "godwit guest --debian" builds it)';

  it.skipIf(!debian || missing('gzip') || missing('python3'))(
    `gzip packs the same as on the host${reason}`,
    async () => {
      const splitter = new LineSplitter();
      const image = await programMachine(debian!, folder, 'godwit');
      const session = new ConsoleSession((text) => machine.runner.input('uart', new TextEncoder().encode(text)));
      const machine = await createLiveMachine(image, 'jit', (bytes) => {
        for (const text of splitter.push(bytes)) lines(session, [text, performance.now()]);
      });
      const running = machine.runner.run();
      try {
        await session.ready();
        const { checksum } = await session.run('gzip', 1);
        const data = execFileSync('python3', [join(programs, 'text.py'), '1']);
        const packed = execFileSync('gzip', ['-n'], { input: data });
        expect(checksum).toBe(createHash('sha256').update(packed).digest('hex').slice(0, 16));
      } finally {
        machine.runner.stop();
        await running;
        await machine.close();
      }
    },
    patient(400_000),
  );
});
