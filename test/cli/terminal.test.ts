/** `godwit run` on a real terminal. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { echoing, spinning } from '../api/programs.ts';
import { guestImages } from '../support/guest.ts';
import { hasScript, MAIN, onTerminal, type Run } from './support.ts';

let folder = '';
let before = '';
let after = '';
let pidFile = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-terminal-'));
  before = join(folder, 'before');
  after = join(folder, 'after');
  pidFile = join(folder, 'pid');
  writeFileSync(join(folder, 'spinning'), spinning('ready\n'));
  writeFileSync(join(folder, 'echoing'), echoing());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs godwit between two looks at the terminal's settings; the shell's status is godwit's. */
function godwitOnTerminal(args: string): Run {
  const run = `sh -c 'echo $$ > ${pidFile}; exec ${process.execPath} ${MAIN} ${args}'`;
  return onTerminal(`stty -a > ${before}; ${run}; status=$?; stty -a > ${after}; exit $status`);
}

function expectTerminalAsBefore(): void {
  const settings = readFileSync(before, 'utf8');
  expect(settings).toMatch(/\bicanon\b/);
  expect(readFileSync(after, 'utf8')).toBe(settings);
}

const images = hasScript ? await guestImages() : { reason: 'the program "script" is missing' };
const skipped = 'reason' in images ? images.reason : undefined;

describe.skipIf(skipped)(`Linux on a terminal ${skipped ?? ''}`, () => {
  it('reaches a shell, obeys Ctrl-A, and exits with the status of the guest', async () => {
    const run = godwitOnTerminal('run --stats --memory 256M');
    await run.shows('Ctrl-A x quits');
    await run.shows('~# ');
    run.type('echo $((6*7)) $TERM; stty size\r');
    await run.shows('42 xterm');
    await run.shows('30 100');
    await run.shows('~# ');
    run.type('discarded\x03');
    await run.shows('~# ');
    run.type('\x01h');
    await run.shows('Ctrl-A Ctrl-A  send Ctrl-A');
    run.type('\x01p');
    await run.shows('the machine is paused');
    run.type('echo later\r');
    run.type('\x01p');
    await run.shows('later');
    run.type('exit 9\r');
    const { status, stdout } = await run.ended;
    expect(status).toBe(9);
    expect(stdout).toMatch(/first output after .* million instructions at .* million a second/);
    expectTerminalAsBefore();
  });
});

describe.skipIf(!hasScript)('a program on a terminal', () => {
  it('gets Ctrl-A when it is typed twice, and ends by Ctrl-A x', async () => {
    const run = godwitOnTerminal(`run --kernel ${folder}/echoing`);
    await run.shows('Ctrl-A x quits');
    run.type('a\x01\x01b');
    await run.shows('a\x01b');
    run.type('\x01x');
    expect((await run.ended).status).toBe(0);
    expectTerminalAsBefore();
  });

  for (const [signal, status] of [
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const) {
    it(`leaves the terminal as it was after ${signal}`, async () => {
      const run = godwitOnTerminal(`run --kernel ${folder}/spinning`);
      await run.shows('ready');
      process.kill(Number(readFileSync(pidFile, 'utf8')), signal);
      expect((await run.ended).status).toBe(status);
      expectTerminalAsBefore();
    });
  }
});
