/** Debugging what the library and the command line run: machines in threads of their own. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Machine } from '../../src/service/machine/machine.ts';
import { spinning } from '../api/programs.ts';
import { godwit, MAIN, Run } from '../cli/support.ts';
import { BareProgram, missing } from './support/bare.ts';
import { GDB, gdb } from './support/gdb.ts';

const reason = missing('riscv64-linux-gnu-gcc', GDB);
const unlessReason = reason ? ` (skipped: ${reason})` : '';

let folder = '';
let program: BareProgram | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-gdb-'));
  if (!reason) program = new BareProgram();
  writeFileSync(join(folder, 'spinning'), spinning('ready\n'));
});
afterAll(() => {
  program?.remove();
  rmSync(folder, { recursive: true, force: true });
});

describe('a machine in a thread', () => {
  it.skipIf(reason)(`is debugged from its first instruction to its end${unlessReason}`, async () => {
    const machine = await Machine.create({ kernel: program!.image, memory: '16M' });
    const address = await machine.debug({ listen: 0, stopped: true });
    await machine.start();
    const printed = await gdb(
      [`target remote ${address}`, 'info registers pc', 'break corrupt', 'continue', 'bt', 'delete', 'continue'],
      program!.path,
    );
    expect(printed).toMatch(/pc {13}0x80200000/);
    expect(printed).toMatch(/Breakpoint 1, corrupt/);
    expect(printed).toMatch(/exited normally/);
    expect(await machine.finished).toMatchObject({ reason: 'power-off', exitCode: 0 });
  });

  it.skipIf(reason)(`goes on by itself when gdb goes, also without a word${unlessReason}`, async () => {
    const machine = await Machine.create({ kernel: spinning('r'), memory: '16M' });
    await machine.start();
    const address = await machine.debug({ listen: join(folder, 'socket') });
    expect(await gdb([`target remote ${address}`, 'stepi', 'detach'])).toMatch(/detached/);
    await gdb([`target remote ${address}`, 'hbreak *0x80200000', 'shell kill -9 $PPID']);
    const before = (await machine.stats()).instructions;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await machine.stats()).instructions).toBeGreaterThan(before);
    await machine.stop();
    expect(existsSync(join(folder, 'socket'))).toBe(false);
  });

  it.skipIf(reason)(`cannot be changed while it is recorded${unlessReason}`, async () => {
    const machine = await Machine.create({ kernel: spinning('r'), memory: '16M' });
    await machine.record({ path: join(folder, 'recording') });
    await machine.start();
    const address = await machine.debug({ listen: 0 });
    const commands = ['set var *(int *)0x80201000 = 5', 'set $t0 = 5', 'monitor csr sscratch 5', 'stepi', 'detach'];
    const printed = await gdb([`target remote ${address}`, ...commands]);
    expect(printed).toMatch(/Cannot access memory at address 0x80201000/);
    expect(printed).toMatch(/Could not write register/);
    expect(printed).toContain('The machine is being recorded');
    await machine.stop();
  });

  it('says what is wrong with an address, and listens once', async () => {
    const machine = await Machine.create({ kernel: spinning('r'), memory: '16M' });
    for (const listen of [-1, 70_000, 1.5, '']) {
      await expect(machine.debug({ listen })).rejects.toMatchObject({ code: 'usage' });
    }
    await expect(machine.debug({ listen: join(folder, 'no/such/folder') })).rejects.toMatchObject({
      code: 'not-found',
    });
    const address = await machine.debug({ listen: 0 });
    await expect(machine.debug({ listen: 0 })).rejects.toMatchObject({ code: 'state' });
    const other = await Machine.create({ kernel: spinning('r'), memory: '16M' });
    const port = Number(address.split(':')[1]);
    await expect(other.debug({ listen: port })).rejects.toMatchObject({ code: 'locked' });
    await Promise.all([machine.stop(), other.stop()]);
    await expect(machine.debug({ listen: 0 })).rejects.toMatchObject({ code: 'state' });
  });
});

describe('godwit run --gdb', () => {
  it.skipIf(reason)(`waits for gdb with --gdb-stopped, and exits as the guest does${unlessReason}`, async () => {
    const socket = join(folder, 'cli.sock');
    const run = new Run(process.execPath, [
      ...[MAIN, 'run', '--headless', '--kernel', program!.path],
      ...['--gdb', socket, '--gdb-stopped'],
    ]);
    while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 20));
    const printed = await gdb(
      [`target remote ${socket}`, 'watch victim', 'continue', 'up', 'print round', 'delete', 'continue'],
      program!.path,
    );
    expect(printed).toMatch(/Old value = 4369[\s\S]*\$1 = 150[\s\S]*exited normally/);
    const { status, stderr } = await run.ended;
    expect(stderr).toContain(`godwit: the machine waits for gdb: target remote ${socket}`);
    expect(status).toBe(0);
  });

  it('refuses what makes no sense', async () => {
    const alone = await godwit(['run', '--gdb-stopped']);
    expect(alone.status).toBe(2);
    expect(alone.stderr).toContain('--gdb-stopped needs --gdb');
    const kernel = join(folder, 'spinning');
    expect(await godwit(['run', '--kernel', kernel, '--gdb', '70000'])).toMatchObject({ status: 2 });
  });
});

describe('godwit replay --gdb', () => {
  it.skipIf(reason)(`lets one gdb after the other move through a recording${unlessReason}`, async () => {
    const recording = join(folder, 'work.rec');
    const made = await godwit([
      'run',
      '--memory',
      '16M',
      '--kernel',
      program!.path,
      '--headless',
      '--record',
      recording,
    ]);
    expect(made.status).toBe(0);
    const socket = join(folder, 'replay.sock');
    const run = new Run(process.execPath, [MAIN, 'replay', recording, '--gdb', socket]);
    while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 20));
    const first = await gdb(
      [`target remote ${socket}`, 'continue', 'watch victim', 'reverse-continue', 'backtrace', 'detach'],
      program!.path,
    );
    expect(first).toMatch(/No more reverse-execution history[\s\S]*New value = 4369[\s\S]*#0 {2}corrupt/);
    const second = await gdb(
      [`target remote ${socket}`, 'info symbol $pc', 'reverse-finish', 'reverse-continue', 'kill'],
      program!.path,
    );
    expect(second).toMatch(/^corrupt in section[\s\S]*in main \(\)[\s\S]*No more reverse-execution history/m);
    const { status, stderr } = await run.ended;
    expect(stderr).toContain(`godwit: the recording waits for gdb: target remote ${socket}`);
    expect(status).toBe(0);
  });

  it.skipIf(reason)(`begins at a branch count, and ends with a signal${unlessReason}`, async () => {
    const recording = join(folder, 'work.rec');
    const socket = join(folder, 'replay.sock');
    const run = new Run(process.execPath, [MAIN, 'replay', recording, '--gdb', socket, '--to-branch', '20000']);
    while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await gdb([`target remote ${socket}`, 'monitor point', 'detach'])).toContain('branches 20000,');
    run.child.kill('SIGTERM');
    expect((await run.ended).status).toBe(143);
    expect(existsSync(socket)).toBe(false);
  });

  it('refuses what makes no sense', async () => {
    const { status, stderr } = await godwit(['replay', join(folder, 'spinning'), '--gdb', '0', '--speed', '2']);
    expect(status).toBe(2);
    expect(stderr).toContain('only --to, --to-branch and --to-text');
  });
});
