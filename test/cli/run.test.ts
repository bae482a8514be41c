/** The command line with pipes: what it prints, where, and what it exits with. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chattering, echoing, greeting, spinning } from '../api/programs.ts';
import { godwit, MAIN, Run } from './support.ts';

let folder = '';
const file = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-cli-'));
  writeFileSync(file('greeting'), greeting('hello\n', 7));
  writeFileSync(file('echoing'), echoing());
  writeFileSync(file('spinning'), spinning('ready\n'));
  writeFileSync(file('chattering'), chattering());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('godwit run', () => {
  it('prints what the guest prints, and nothing else, and exits with its status', async () => {
    expect(await godwit(['run', '--kernel', file('greeting')])).toEqual({ status: 7, stdout: 'hello\n', stderr: '' });
  });

  it('takes piped input, and goes on after its end', async () => {
    const text = `${'0123456789\n'.repeat(20_000)}q`;
    const { status, stdout } = await godwit(['run', '--kernel', file('echoing')], text);
    expect(status).toBe(0);
    expect(stdout).toBe(text);
    const open = new Run(process.execPath, [MAIN, 'run', '--kernel', file('spinning')]);
    open.child.stdin.end();
    await open.shows('ready');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(open.child.exitCode).toBeNull();
    open.child.kill('SIGTERM');
    expect((await open.ended).status).toBe(143);
  });

  it('reads nothing without a head', async () => {
    const run = new Run(process.execPath, [MAIN, 'run', '--headless', '--kernel', file('spinning')]);
    await run.shows('ready');
    run.type('ignored');
    run.child.kill('SIGTERM');
    expect(await run.ended).toMatchObject({ status: 143, stdout: 'ready\n' });
  });

  it('speaks JSON', async () => {
    const { status, stdout } = await godwit(['run', '--json', '--kernel', file('greeting')]);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; text?: string });
    expect(lines[0]).toEqual({ event: 'started', console: 'uart', memory: '512M', name: expect.any(String) });
    expect(lines.map(({ text }) => text ?? '').join('')).toBe('hello\n');
    expect(lines.at(-1)).toMatchObject({
      event: 'ended',
      reason: 'failure',
      exitCode: 7,
      statistics: { branches: expect.any(Number), wallMs: expect.any(Number), resets: 0 },
    });
    expect(status).toBe(7);
  });

  it('prints statistics and traces beside the output', async () => {
    const args = ['run', '--stats', '--trace', 'sw', '--trace-file', file('trace'), '--kernel', file('greeting')];
    const { stdout, stderr } = await godwit(args);
    expect(stdout).toBe('hello\n');
    expect(stderr).toMatch(/^godwit: first output after .* branches\n/);
    expect(readFileSync(file('trace'), 'utf8')).toMatch(/^S 00000000802000\w\w 0062a023 {2}sw t1,0\(t0\)\n$/);
  });

  it('ends when nobody reads its output', async () => {
    const command = `${process.execPath} ${MAIN} run --kernel ${file('chattering')} | head -c 5`;
    const run = new Run('sh', ['-c', command]);
    expect((await run.ended).stdout).toBe('xxxxx');
  });

  it('says who has a disk', async () => {
    expect(await godwit(['disk', 'create', file('disk.qcow2'), '16M'])).toEqual({ status: 0, stdout: '', stderr: '' });
    expect((await godwit(['disk', 'info', file('disk.qcow2')])).stdout).toMatch(
      /: qcow2, 16 MiB \(16777216 bytes\)\n$/,
    );
    const args = ['run', '--kernel', file('spinning'), '--disk', file('disk.qcow2')];
    const first = new Run(process.execPath, [MAIN, ...args]);
    await first.shows('ready');
    const second = await godwit(args);
    expect(second.status).toBe(1);
    expect(second.stderr).toMatch(/^godwit: .*disk\.qcow2.*\n/);
    expect(second.stderr).not.toMatch(/ at .*:\d+:\d+/);
    first.child.kill('SIGINT');
    expect((await first.ended).status).toBe(130);
    const third = new Run(process.execPath, [MAIN, ...args]);
    await third.shows('ready');
    third.child.kill('SIGTERM');
    await third.ended;
  });
});

describe('mistakes', () => {
  const mistakes: [args: string[], status: number, message: RegExp][] = [
    [['run', '--kernel', '/no/such/kernel'], 1, /^godwit: .*\/no\/such\/kernel.*does not exist\.\n/],
    [['run', '--memory', 'much'], 2, /^godwit: A machine's memory cannot be "much"\.\nWrite a number and a unit/],
    [
      ['run', '--memory', '64M'],
      1,
      /^godwit: Debian's kernel does not start in 64 MiB of memory\.\nGive it at least 88/,
    ],
    [['run', '--debian', '--memory', '87M'], 1, /^godwit: Debian's kernel does not start in 87 MiB/],
    [['run', '--kernel', import.meta.filename], 1, /^godwit: The kernel is a text, not instructions\.\n$/],
    [['run', '--memory', '8G'], 1, /^godwit: A machine can have 3 GiB of memory/],
    [['run', '--disk', 'd,writable'], 2, /--disk knows no "writable"/],
    [['run', '--console', 'vga'], 2, /Allowed choices are uart, virtio/],
    [['run', '--initrd', 'i', '--bios', 'b'], 2, /^godwit: An initrd is of no use without a kernel\.\n/],
    [['run', '--trace-file', 'f'], 2, /^godwit: --trace-file is of use only with --trace\.\n$/],
    [['run', '--json', '--stats'], 2, /^godwit: --json has the statistics in its last line/],
    [
      ['run', '--kernel', '/dev/null', '--trace', '--trace-file', '/no/f'],
      1,
      /^godwit: Cannot write the trace \/no\/f/,
    ],
    [['run', '--colour'], 2, /unknown option '--colour'/],
    [['run', 'kernel'], 2, /too many arguments/],
    [['walk'], 2, /unknown command 'walk'/],
  ];
  for (const [args, status, message] of mistakes) {
    it(`godwit ${args.join(' ')}`, async () => {
      const ended = await godwit(args);
      expect(ended.stderr).toMatch(message);
      expect(ended.stderr).not.toMatch(/\n +at /);
      expect(ended).toMatchObject({ status, stdout: '' });
    });
  }

  it('have a stack trace with --debug', async () => {
    const { status, stderr } = await godwit(['run', '--debug', '--kernel', '/no/such/kernel']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/\n +at /);
  });
});

describe('help', () => {
  it('tells what there is', async () => {
    const { status, stdout } = await godwit(['run', '--help']);
    expect(status).toBe(0);
    for (const option of ['--memory', '--disk', '--kernel', '--initrd', '--append', '--bios', '--console', '--trace']) {
      expect(stdout).toContain(option);
    }
  });

  it('has one width', async () => {
    for (const command of [
      ['run'],
      ['replay'],
      ['checkpoint'],
      ['checkpoint', 'create'],
      ['record'],
      ['disk', 'create'],
    ]) {
      const { stdout } = await godwit([...command, '--help']);
      for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
    }
  }, 300_000);

  it('tells the version', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await godwit(['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  });
});
