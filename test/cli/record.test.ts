/** `godwit record`, `godwit gdb` and `godwit checkpoint restore --gdb`: machines that run in other processes. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { echoing } from '../api/programs.ts';
import { GDB } from '../debug/support/gdb.ts';
import { type Ended, MAIN, Run } from './support.ts';

let folder: string;
let env: NodeJS.ProcessEnv;
let machine: Run;
const runs = new Set<Run>();
const at = (name: string): string => join(folder, name);
const hasGdb = spawnSync(GDB, ['--version']).status === 0;

function start(...args: string[]): Run {
  const run = new Run(process.execPath, [MAIN, ...args], env);
  runs.add(run);
  void run.ended.then(() => runs.delete(run));
  return run;
}

async function godwit(...args: string[]): Promise<Ended> {
  const run = start(...args);
  run.child.stdin.end();
  return await run.ended;
}

async function works(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await godwit(...args);
  expect({ status, stderr }, args.join(' ')).toEqual({ status: 0, stderr: '' });
  return stdout;
}

async function fails(status: number, words: RegExp, ...args: string[]): Promise<void> {
  const ended = await godwit(...args);
  expect(ended).toMatchObject({ status, stdout: '' });
  expect(ended.stderr).toMatch(words);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-record-'));
  env = { ...process.env, XDG_RUNTIME_DIR: folder, XDG_DATA_HOME: at('data') };
  writeFileSync(at('echoing'), echoing());
});
beforeEach(async () => {
  machine = start('run', '--kernel', at('echoing'), '--memory', '64M', '--name', 'echo');
  machine.type('first ');
  await machine.shows('first ');
});
afterEach(async () => {
  for (const run of runs) run.child.kill('SIGKILL');
  for (const run of runs) await run.ended;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('recording from another process', () => {
  it('begins and ends on running and on paused machines, several at a time', async () => {
    await works('record', 'start', at('a.rec'));
    await fails(1, /a\.rec is being recorded already/, 'record', 'start', at('a.rec'), '--machine', 'echo');
    machine.type('second ');
    await machine.shows('second ');
    await works('pause', 'echo');
    await works('record', 'start', at('b.rec'));
    await works('resume', 'echo');
    machine.type('third');
    await machine.shows('third');
    await fails(2, /2 recordings are being made[\s\S]*a\.rec, .*b\.rec/, 'record', 'stop');
    expect(await works('record', 'stop', at('a.rec'))).toMatch(/a\.rec: .* with \d+ events\.\n$/);
    await works('pause', 'echo');
    expect(JSON.parse(await works('record', 'stop', '--json'))).toMatchObject({ path: at('b.rec') });
    await works('resume', 'echo');
    await fails(1, /Nothing is recorded/, 'record', 'stop');
    await fails(1, /nowhere\.rec is not being recorded/, 'record', 'stop', at('nowhere.rec'));
    await fails(2, /exists already/, 'record', 'start', at('a.rec'));
    machine.type('q');
    expect(await machine.ended).toMatchObject({ status: 0, stdout: 'first second thirdq' });
    expect(await works('replay', at('a.rec'))).toBe('second third');
    expect(await works('replay', at('b.rec'))).toBe('third');
    for (const file of ['a.rec', 'b.rec']) await works('replay', at(file), '--verify');
  });

  it('keeps the last minutes, which are saved, and saved again', async () => {
    await fails(1, /There is no flight recorder/, 'record', 'save', at('saved.rec'));
    await works('record', 'start', at('flight.rec'), '--flight-recorder', '5');
    machine.type('more');
    await machine.shows('more');
    await works('record', 'save', at('saved.rec'));
    await fails(2, /exists already/, 'record', 'save', at('saved.rec'));
    const before = statSync(at('saved.rec')).size;
    machine.type(' and more');
    await machine.shows(' and more');
    await works('record', 'save', at('saved.rec'), '--replace');
    expect(statSync(at('saved.rec')).size).toBeGreaterThan(before);
    expect(await works('replay', at('saved.rec'))).toBe('more and more');
    expect(await works('record', 'stop')).toMatch(/flight\.rec: .* with \d+ events\.\n$/);
    expect(existsSync(at('flight.rec.flight'))).toBe(false);
    expect(await works('replay', at('flight.rec'))).toBe('more and more');
    await fails(1, /Nothing is recorded/, 'record', 'stop');
  });
});

describe.skipIf(!hasGdb)(hasGdb ? 'gdb' : `gdb (skipped: there is no ${GDB})`, () => {
  const ask = (address: string): string => {
    const commands = [
      'set arch riscv:rv64',
      `target remote ${address}`,
      'info registers pc',
      'monitor point',
      'detach',
    ];
    const { stdout, stderr } = spawnSync(GDB, ['-nx', '-batch', ...commands.flatMap((command) => ['-ex', command])], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    // What `monitor` commands say comes there.
    return stdout + stderr;
  };

  it('comes to a machine that runs already, over a port and over a socket', async () => {
    const reached = (await works('gdb', 'echo', '0')).trim();
    expect(reached).toMatch(/^target remote localhost:\d+$/);
    await fails(1, /can connect to localhost:\d+ already/, 'gdb', 'echo', at('gdb.sock'));
    expect(ask(reached.replace('target remote ', ''))).toMatch(/pc +0x[0-9a-f]+[\s\S]*branch/);
    machine.type('still here');
    await machine.shows('still here');
  });

  it('comes to a machine that goes on from a checkpoint, before that executes anything', async () => {
    await works('checkpoint', 'create', 'one');
    await fails(2, /--gdb-stopped needs --gdb/, 'checkpoint', 'restore', 'one', '--gdb-stopped');
    const restored = start('checkpoint', 'restore', 'one', '--gdb', at('restored.sock'), '--gdb-stopped');
    while (!existsSync(at('restored.sock'))) await new Promise((resolve) => setTimeout(resolve, 20));
    restored.type('after');
    expect(ask(at('restored.sock'))).toMatch(/pc +0x[0-9a-f]+[\s\S]*branch/);
    await restored.shows('after');
    restored.type('q');
    expect(await restored.ended).toMatchObject({ status: 0, stdout: 'afterq' });
  });
});
