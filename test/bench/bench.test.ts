import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileKernels, type Programs, type Target } from '../../bench/compile.ts';
import { ConsoleSession } from '../../bench/contender/console-session.ts';
import { createLiveMachine, type LiveMachine } from '../../bench/contender/live-machine.ts';
import { NativeContender } from '../../bench/contender/native.ts';
import { suiteInitramfs, suiteMachine } from '../../bench/guest-image.ts';
import { LineSplitter, parseMarker } from '../../bench/markers.ts';
import { layOut } from '../../bench/report.ts';
import { geometricMean, median } from '../../bench/statistics.ts';
import { SUITE } from '../../bench/suite.ts';
import { checksumProblems } from '../../bench/summary.ts';
import { ensureGuest, silentProgress } from '../../src/guest/index.ts';

/** What is compiled and run here: integers, floating point, processes. */
const KERNELS = ['lz', 'float-mix', 'fork-exec'];
const REPETITIONS = 2;

async function compiled(target: Target): Promise<Programs | { reason: string }> {
  try {
    return await compileKernels(target, KERNELS, silentProgress);
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

describe('figures', () => {
  it('takes the middle', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
    expect(geometricMean([1, 4])).toBeCloseTo(2, 12);
  });

  it('pads columns', () => {
    expect(
      layOut([
        ['a', 'long'],
        ['bcd', '1'],
      ]),
    ).toBe('a    long\nbcd     1');
  });

  it('notices results that differ', () => {
    const run = (checksum: string) => ({ checksum, wallMs: 1, cpuMs: 1, instructions: 1 });
    const kernel = { name: 'k', group: 'integer', repetitions: 1 } as const;
    const same = { godwit: [run('1'), run('1')], qemu: [run('1')], native: [] };
    expect(checksumProblems({ ...kernel, runs: same })).toEqual([]);
    expect(checksumProblems({ ...kernel, runs: { ...same, native: [run('2')] } })).toHaveLength(1);
  });
});

describe('markers', () => {
  it('are found in console lines', () => {
    const lines = new LineSplitter();
    const bytes = new TextEncoder().encode(
      '@ready\r\n[  1.0] noise @start lz\r\n@end lz checksum=00000000000000ff ns=5000000 cpu=1',
    );
    expect([...lines.push(bytes.subarray(0, 9)), ...lines.push(bytes.subarray(9))].map(parseMarker)).toEqual([
      { kind: 'ready' },
      { kind: 'start', name: 'lz' },
    ]);
    const end = { kind: 'end', name: 'lz', checksum: '00000000000000ff', ownWallMs: 5, ownCpuMs: 1e-6 };
    expect(parseMarker(lines.unfinished)).toEqual(end);
    expect(parseMarker('@failed lz 132')).toEqual({ kind: 'failed', name: 'lz', status: 132 });
    expect(parseMarker('@stop gzip')).toEqual({ kind: 'stop', name: 'gzip', work: undefined });
    expect(parseMarker('@stop aes work=16384')).toEqual({ kind: 'stop', name: 'aes', work: 16384 });
    const bare = { kind: 'end', name: 'gzip', checksum: '00000000000000ff', ownWallMs: undefined, ownCpuMs: undefined };
    expect(parseMarker('@end gzip checksum=00000000000000ff')).toEqual(bare);
    expect(parseMarker('root@readyroom')).toBeUndefined();
  });

  it('end a session that waits, with the reason', async () => {
    const session = new ConsoleSession(() => {});
    const waiting = session.ready();
    session.end('The guest ended (fail).');
    await expect(waiting).rejects.toThrow(/guest ended/);
    await expect(session.run('lz', 1)).rejects.toThrow(/guest ended/);
  });
});

it('has a source for each kernel of the suite, and a kernel for each source', () => {
  const sources = readdirSync(new URL('../../bench/kernels/', import.meta.url)).filter((name) => name.endsWith('.c'));
  const names = sources.map((name) => name.slice(0, -2)).filter((name) => name !== 'harness');
  expect(SUITE.map(({ name }) => name).sort()).toEqual(names.sort());
});

describe('kernels', async () => {
  const [host, guest] = await Promise.all([compiled('host'), compiled('guest')]);
  const images = await ensureGuest().catch((error: Error) => ({ reason: `no guest: ${error.message}` }));
  const missing = [host, guest, images].find((part) => 'reason' in part);
  const reason = missing && 'reason' in missing ? missing.reason : undefined;
  let folder: string;
  let machine: LiveMachine;
  let session: ConsoleSession;

  beforeAll(async () => {
    if (reason || 'reason' in images || 'reason' in guest) return;
    folder = await mkdtemp(join(tmpdir(), 'godwit-bench-test-'));
    const initrdPath = join(folder, 'initramfs.cpio');
    await writeFile(initrdPath, await suiteInitramfs(images, guest.paths));
    const lines = new LineSplitter();
    session = new ConsoleSession((text) => machine.runner.input('uart', new TextEncoder().encode(text)));
    machine = await createLiveMachine({ ...suiteMachine(images), initrdPath }, 'jit', (bytes, core) => {
      for (const text of lines.push(bytes)) {
        session.line({ text, atMs: 0, cpuMs: undefined, instructions: Number(core.instructionsRetired) });
      }
    });
    const ready = session.ready();
    void machine.runner.run().then(() => session.end('The guest ended.'));
    await ready;
  }, 120_000);

  afterAll(async () => {
    machine?.runner.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  for (const name of KERNELS) {
    it.skipIf(reason)(
      `${name} computes the same in the guest as on the host${reason ? ` (skipped: ${reason})` : ''}`,
      async () => {
        if ('reason' in host) return;
        const native = await new NativeContender(host.paths).run(name, REPETITIONS);
        const inGuest = await session.run(name, REPETITIONS);
        expect(inGuest.checksum).toBe(native.checksum);
        // So little work may begin and end in one slice; then both lines come with the same count.
        expect(inGuest.instructions).toBeGreaterThanOrEqual(0);
      },
      120_000,
    );
  }
});
