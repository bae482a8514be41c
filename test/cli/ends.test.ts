/** Ends: of recordings, of outputs that nobody reads or that are full; files that are damaged, and what is no file. */
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
import { echoing, greeting, rebooting, spinning } from '../api/programs.ts';
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

describe('a reboot', () => {
  it(
    'is the end of a machine that is not to reboot, and of its recording',
    async () => {
      writeFileSync(file('rebooting'), rebooting('once'));
      const args = ['run', '--no-reboot', '--kernel', file('rebooting'), '--record', file('reboot.rec')];
      expect(await godwit(args)).toEqual({ status: 0, stdout: 'once', stderr: '' });
      expect(await godwit(['replay', file('reboot.rec')])).toEqual({ status: 0, stdout: 'once', stderr: '' });
      expect((await godwit(['replay', file('reboot.rec'), '--verify', '--without', 'skip-cold'])).status).toBe(0);
      const again = new Run(process.execPath, [MAIN, 'run', '--kernel', file('rebooting')]);
      for (let times = 0; times < 3; times++) await again.shows('once');
      again.child.kill('SIGTERM');
      await again.ended;
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

describe('files that cannot grow', () => {
  const typed = (): string => Array.from({ length: 4000 }, (_, line) => `line ${line} ${Math.sin(line)}`).join('\n');

  it(
    'keep what was recorded until then, and the exit status says so',
    async () => {
      writeFileSync(file('typed'), `${typed()}\nq`);
      const run = '$GODWIT run --kernel echoing --record full.rec < typed';
      const full = sh(`ulimit -f 48; ${run} | wc -c; exit "\${PIPESTATUS[0]}"`);
      expect(full.status).toBe(1);
      expect(full.stderr).toMatch(
        /^godwit: Cannot write [^\n]*full\.rec: the file system takes no larger file\.( The machine goes on\.)?\n$/,
      );
      const played = await godwit(['replay', file('full.rec')]);
      expect(played.status).toBe(0);
      expect(played.stdout.length).toBeGreaterThan(1000);
      expect(typed().startsWith(played.stdout)).toBe(true);
      expect((await godwit(['replay', file('full.rec'), '--verify'])).status).toBe(1);
    },
    SLOW,
  );

  it(
    'are not left where they are of no use',
    async () => {
      const store = ['--store', file('full')];
      const kept = ['replay', file('stopped.rec'), '--checkpoint', 'kept', ...store];
      expect(await godwit(kept)).toMatchObject({ status: 0 });
      const before = readdirSync(folder);
      for (const [command, message] of [
        ['run --kernel greeting --record none.rec', /none\.rec: the file system takes no larger file/],
        ['run --kernel greeting --profile /dev/full', /the profile \/dev\/full: no space is left/],
        ['checkpoint export kept none.godwit --store full', /none\.godwit: the file system takes no larger file/],
      ] as const) {
        // Kibibytes: enough for locks.
        const { status, stderr } = sh(`ulimit -f 1; $GODWIT ${command}`);
        expect(stderr, command).toMatch(message);
        expect(stderr.trimEnd().split('\n'), command).toHaveLength(1);
        expect(status, command).toBe(1);
      }
      expect(readdirSync(folder)).toEqual(before);
    },
    SLOW,
  );
});

describe('standard output and input', () => {
  it(
    'take an exported checkpoint, and give one',
    async () => {
      const store = ['--store', file('portable')];
      expect(await godwit(['replay', file('stopped.rec'), '--checkpoint', 'kept', ...store])).toMatchObject({
        status: 0,
      });
      const exported = await godwit(['checkpoint', 'export', 'kept', file('kept.godwit'), ...store]);
      expect(exported).toMatchObject({ status: 0, stdout: expect.stringMatching(/kept\.godwit: [\d.]+ KiB\.\n$/) });
      const { stdout, stderr } = sh(
        '$GODWIT checkpoint export kept - --store portable | tee streamed | $GODWIT checkpoint import - --store other',
      );
      expect(stderr).toBe('');
      expect(stdout).toMatch(/^[0-9a-f]{16}\n$/);
      expect(readFileSync(file('streamed')).equals(readFileSync(file('kept.godwit')))).toBe(true);
      expect(existsSync(file('-'))).toBe(false);
      const listed = JSON.parse((await godwit(['checkpoint', 'list', '--json', '--store', file('other')])).stdout);
      expect(listed).toMatchObject([{ id: stdout.trim(), name: 'kept', complete: true }]);
      const lost = sh(
        `$GODWIT checkpoint export kept - --store portable | head -c 10 | wc -c; echo "\${PIPESTATUS[0]}"`,
      );
      expect(lost).toMatchObject({ stdout: '10\n0\n', stderr: '' });
      const empty = sh('$GODWIT checkpoint import - --store other < /dev/null');
      expect(empty).toMatchObject({ status: 1 });
      expect(empty.stderr).toBe('godwit: Standard input is not a checkpoint of godwit, but an empty file.\n');
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
