/** Ends: of recordings, of files that are damaged, of outputs that nobody reads or that are full; and what is no file. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { echoing, greeting, spinning } from '../api/programs.ts';
import { patient } from '../support/tiers.ts';
import { type Ended, godwit, MAIN, Run } from './support.ts';

let folder = '';
const file = (name: string): string => join(folder, name);
const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const SLOW = patient(60_000);

async function facts(name: string): Promise<{ branches: { first: string; last: string }; seconds: number }> {
  return JSON.parse((await godwit(['replay', file(name), '--info', '--json'])).stdout);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-ends-'));
  writeFileSync(file('greeting'), greeting('hello, world', 0));
  writeFileSync(file('spinning'), spinning('round'));
  writeFileSync(file('echoing'), echoing());
  expect(await godwit(['run', '--kernel', file('greeting'), '--record', file('ended.rec')])).toMatchObject({
    status: 0,
  });
  const run = new Run(process.execPath, [MAIN, 'run', '--kernel', file('spinning'), '--record', file('stopped.rec')]);
  await run.shows('round');
  await delay(300);
  run.child.kill('SIGTERM');
  expect((await run.ended).status).toBe(143);
}, SLOW);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the end of a recording', () => {
  it(
    'is a place like others, by branch and by time',
    async () => {
      for (const name of ['ended.rec', 'stopped.rec']) {
        const { branches, seconds } = await facts(name);
        for (const place of [
          ['--to-branch', branches.first],
          ['--to-branch', branches.last],
          ['--to', '0'],
          ['--to', `${seconds}s`],
          ['--to', `${seconds.toFixed(3)}s`],
        ]) {
          const ended = await godwit(['replay', file(name), ...place]);
          expect({ status: ended.status, stderr: ended.stderr }, `${name} ${place}`).toEqual({ status: 0, stderr: '' });
        }
      }
    },
    SLOW,
  );

  it(
    'is where a machine can be kept and go on that was stopped there',
    async () => {
      const { branches, seconds } = await facts('stopped.rec');
      const store = ['--store', file('kept')];
      for (const [index, place] of [['--to-branch', branches.last], ['--to', `${seconds}s`], []].entries()) {
        const kept = await godwit(['replay', file('stopped.rec'), ...place, '--checkpoint', `end-${index}`, ...store]);
        expect(kept, place.join(' ')).toMatchObject({ status: 0 });
        const live = new Run(process.execPath, [MAIN, 'replay', file('stopped.rec'), ...place, '--live']);
        await live.says('the machine is live');
        live.child.kill('SIGTERM');
        expect((await live.ended).status).toBe(143);
      }
    },
    SLOW,
  );

  it(
    'is where nothing can go on when the guest has ended, and says so',
    async () => {
      const { branches } = await facts('ended.rec');
      for (const place of [['--to-branch', branches.last], []]) {
        for (const action of [['--live'], ['--checkpoint', 'x', '--store', file('none')]]) {
          const refused = await godwit(['replay', file('ended.rec'), ...place, ...action]);
          expect(refused, [...place, ...action].join(' ')).toMatchObject({ status: 2 });
          expect(refused.stderr).toMatch(/The guest has ended in the recording/);
        }
      }
    },
    SLOW,
  );

  it(
    'has texts before it, though the guest ended within the same stretch',
    async () => {
      const store = ['--store', file('texts')];
      await new Promise<void>((resolve) => {
        const run = new Run(process.execPath, [
          MAIN,
          'run',
          '--kernel',
          file('echoing'),
          '--record',
          file('echo-end.rec'),
        ]);
        run.type('abq');
        void run.ended.then(() => resolve());
      });
      const at = await godwit(['replay', file('echo-end.rec'), '--to-text', 'b', '--checkpoint', 'at-b', ...store]);
      expect(at).toMatchObject({ status: 0 });
      const restored = await godwit(['checkpoint', 'restore', 'at-b', ...store], 'q');
      expect(restored.stdout).toMatch(/q$/);
    },
    SLOW,
  );

  it(
    'has nothing behind it, nor before its beginning, also for gdb',
    async () => {
      const { branches } = await facts('ended.rec');
      const beyond = String(BigInt(branches.last) + 1n);
      for (const more of [[], ['--gdb', '0']]) {
        const refused = await godwit(['replay', file('ended.rec'), '--to-branch', beyond, ...more]);
        expect(refused).toMatchObject({ status: 2 });
        expect(refused.stderr).toMatch(new RegExp(`does not come to that branch.*\n.*branch 0 to ${branches.last}`));
      }
    },
    SLOW,
  );
});

describe('a recording that is not whole', () => {
  const verify = async (name: string, ...more: string[]): Promise<Ended> =>
    await godwit(['replay', file(name), '--verify', ...more]);

  it(
    'plays what is whole of it, and fails when it is verified',
    async () => {
      const whole = readFileSync(file('stopped.rec'));
      expect((await verify('stopped.rec')).status).toBe(0);
      const changes: Record<string, (bytes: Buffer) => Uint8Array> = {
        'end.rec': (bytes) => bytes.with(-3, bytes.at(-3)! ^ 1),
        'cut.rec': (bytes) => bytes.subarray(0, -20),
        'long.rec': (bytes) => Buffer.concat([bytes, Buffer.from('more')]),
      };
      for (const [name, change] of Object.entries(changes)) {
        writeFileSync(file(name), change(Buffer.from(whole)));
        expect((await godwit(['replay', file(name)])).status, name).toBe(0);
        const verified = await verify(name);
        expect(verified.status, name).toBe(1);
        expect(verified.stderr, name).toMatch(/is damaged|is cut short|goes on after/);
        expect(verified.stdout, name).toMatch(/^What is left of the recording/);
        const json = await verify(name, '--json');
        expect(json.status).toBe(1);
        expect(JSON.parse(json.stdout)).toMatchObject({
          same: true,
          state: name === 'cut.rec' ? 'broken-off' : 'damaged',
        });
      }
    },
    SLOW,
  );

  it(
    'says that it is still being made, and after a kill that it broke off',
    async () => {
      const run = new Run(process.execPath, [
        MAIN,
        'run',
        '--kernel',
        file('echoing'),
        '--record',
        file('growing.rec'),
      ]);
      run.type('a');
      await run.shows('a');
      while (!existsSync(file('growing.rec')) || statSync(file('growing.rec')).size < 1000) await delay(20);
      await delay(500);
      const info = await godwit(['replay', file('growing.rec'), '--info']);
      expect(info.stdout).toMatch(/end +none yet: it is still being recorded/);
      const growing = await verify('growing.rec');
      expect(growing).toMatchObject({ status: 0, stdout: expect.stringMatching(/^As far as it was recorded by now/) });
      expect(growing.stderr).toMatch(/is still being recorded/);
      run.child.kill('SIGKILL');
      await run.ended;
      const killed = await verify('growing.rec');
      expect(killed.status).toBe(1);
      expect(killed.stderr).toMatch(/(broke off|cut short).*Whoever recorded it was killed/);
    },
    SLOW,
  );
});

/** With a shell, for what only a shell can set. */
function sh(script: string, limitMs = 60_000): { status: number | null; stdout: string; stderr: string } {
  const godwitCommand = `${process.execPath} ${MAIN}`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
    encoding: 'utf8',
    timeout: limitMs * 10,
    cwd: folder,
    env: { ...process.env, GODWIT: godwitCommand },
  });
  return { status, stdout, stderr };
}

describe('output that ends', () => {
  const commands = ['ps', '--version', 'run --help', 'checkpoint --help', 'checkpoint list --json --store nowhere'];

  it(
    'is no mistake: nobody has to read all of it',
    async () => {
      for (const command of [...commands, 'replay ended.rec', 'replay ended.rec --info', 'run --kernel greeting']) {
        const { stdout, stderr } = sh(`$GODWIT ${command} | true; echo "\${PIPESTATUS[0]}"`);
        expect(stdout, command).toBe('0\n');
        expect(stderr.replace('No machine is running.\n', ''), command).toBe('');
      }
      const { stdout, stderr } = sh(`$GODWIT replay ended.rec | head -c 3; echo " \${PIPESTATUS[0]}"`);
      expect({ stdout, stderr }).toEqual({ stdout: 'hel 0\n', stderr: '' });
    },
    SLOW,
  );

  it(
    'is said once when no space is left for it, with a status',
    async () => {
      for (const command of [
        '--version',
        'run --help',
        'replay ended.rec',
        'replay ended.rec --info',
        'run --kernel greeting',
      ]) {
        const { status, stderr } = sh(`$GODWIT ${command} > /dev/full`);
        expect({ status, stderr }, command).toEqual({
          status: 1,
          stderr: 'godwit: Cannot write the output: no space is left.\n',
        });
      }
    },
    SLOW,
  );
});

describe('what is no file', () => {
  it(
    'is refused at once, whatever it is given as',
    async () => {
      execFileSync('mkfifo', [file('fifo')]);
      mkdirSync(file('folder'));
      const server = createServer().listen(file('socket'));
      await new Promise((resolve) => server.once('listening', resolve));
      const store = ['--store', file('inputs')];
      const commandsFor = (path: string): string[][] => [
        ['disk', 'info', path],
        ['checkpoint', 'import', path, ...store],
        ['run', '--headless', '--kernel', path],
        ['disk', 'commit', path],
        ['disk', 'create', file('over.qcow2'), '--backing', path],
        ['run', '--headless', '--bios', path],
        ['run', '--headless', '--kernel', file('greeting'), '--initrd', path],
        ['run', '--headless', '--kernel', file('greeting'), '--disk', path],
        ['run', '--headless', '--kernel', file('greeting'), '--profile', file('p.json'), '--symbols', path],
        ['replay', path, '--follow'],
        ['replay', path],
      ];
      // At the FIFO opening would wait.
      const commands = [
        ...commandsFor(file('fifo')),
        ...[file('socket'), file('folder'), '/dev/zero'].flatMap((path) => commandsFor(path).slice(0, 3)),
      ];
      for (const command of commands) {
        const { status, stderr } = await godwit(command);
        expect(stderr, command.join(' ')).toMatch(/^godwit: [^\n]*is not a regular file\.\n$/);
        expect(status).toBe(2);
      }
      await new Promise((resolve) => server.close(resolve));
      expect(readdirSync(folder).filter((name) => name.includes('.draft'))).toEqual([]);
    },
    4 * SLOW,
  );
});
