import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GodwitError } from '../../src/common/errors.ts';
import { MachineCore } from '../../src/machine/core.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { GdbServer } from '../../src/service/debug/gdb-server.ts';
import { sleeping } from '../api/programs.ts';
import { BareProgram, missing } from './support/bare.ts';
import { GDB, Gdb, gdb, LiveMachine, ReplayedMachine } from './support/gdb.ts';

const reason = missing('riscv64-linux-gnu-gcc', GDB);

describe.skipIf(reason)(`gdb on a bare machine's program${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let program: BareProgram;
  let plain: { digest: bigint; branches: bigint; instructions: bigint };
  beforeAll(async () => {
    program = new BareProgram();
    const core = await program.create();
    while (core.run(core.current.branches + 100_000n).kind !== 'finished');
    plain = { digest: core.digest(), branches: core.current.branches, instructions: core.instructionsRetired };
  });
  afterAll(() => program?.remove());

  /** Runs gdb on a live machine that stands at its first instruction. */
  const debug = async (...commands: string[]) => {
    const machine = await LiveMachine.start(await program.create());
    try {
      const printed = await gdb([`target remote ${machine.server.address}`, ...commands], program.path);
      return { printed, machine };
    } finally {
      await machine.stop();
    }
  };

  it('stops at breakpoints, steps, and shows where it is', async () => {
    const { printed, machine } = await debug(
      'break fill',
      'hbreak crossing_code',
      'continue',
      'backtrace',
      'finish',
      'stepi',
      'continue',
      'info registers pc',
      'nexti',
      'nexti',
      'info registers pc',
      'delete',
      'continue',
    );
    expect(printed).toMatch(/Breakpoint 1, fill \(seed=\S*0\)/);
    expect(printed).toMatch(/#0 {2}fill \(seed=\S*0\)[\s\S]*#1 .* in main \(\)/);
    expect(printed).toMatch(/Breakpoint 2, crossing_code \(\)/);
    const at = (offset: bigint) => (program.symbol('crossing_code') + offset).toString(16);
    expect(printed).toContain(`pc             0x${at(0n)}`);
    expect(printed).toContain(`pc             0x${at(8n)}`);
    expect(printed).toMatch(/exited normally/);
    expect(await machine.finished).toEqual({ kind: 'pass', code: 0 });
  });

  it('finds who corrupts a variable, and reads and writes whatever there is', async () => {
    const { printed } = await debug(
      'watch victim',
      'continue',
      'info symbol $pc',
      'up',
      'print round',
      'down',
      'print ratio',
      'print $fa5.float',
      'p/x $mstatus',
      'p/x $stvec',
      'p $priv',
      'p/x $misa',
      'p $fcsr',
      'set var victim = 77',
      'p victim',
      'set var text = "written by a debugger"',
      'p text',
      'set $t5 = 0x1234567890',
      'p/x $t5',
      'set $ft11.double = 2.5',
      'p $ft11.double',
      'set $sscratch = 0xabcdef',
      'p/x $sscratch',
      'x/2i $pc',
      'info registers float',
    );
    expect(printed).toMatch(/Hardware watchpoint 1: victim\n\nOld value = 4369\nNew value = \d{15,}/);
    expect(printed).toMatch(/corrupt \+ 2 in section .text/); // behind the store
    expect(printed).toContain('$1 = 150');
    expect(printed).toMatch(/\$2 = \d{10,}/);
    expect(printed).toContain('$3 = 0.25');
    expect(printed).toContain('$4 = 0x8000000a00006022'); // FS is dirty, SXL and UXL are 64 bits
    expect(printed).toContain(`$5 = 0x${program.symbol('trap_entry').toString(16)}`);
    expect(printed).toMatch(/\$6 = .*1/); // S-mode
    expect(printed).toContain('$7 = 0x800000000014112f');
    expect(printed).toContain('$9 = 77');
    expect(printed).toContain('"written by a debugger');
    expect(printed).toContain('$11 = 0x1234567890');
    expect(printed).toContain('$12 = 2.5');
    expect(printed).toContain('$13 = 0xabcdef');
  });

  it('stops at reads and at atomics, but not at writes that change nothing', async () => {
    const { printed } = await debug(
      'rwatch ratio',
      'continue',
      'info symbol $pc',
      'delete',
      'awatch lock_word',
      'continue',
      'continue',
      'continue',
      'x/i $pc-4',
      'delete',
      'tbreak main',
      'watch *(char *)block',
      'continue',
    );
    expect(printed).toMatch(/Hardware read watchpoint 1: ratio\n\nValue = 1.5/);
    expect(printed).toMatch(/floats \+ \d+ in section/);
    expect(printed.match(/Hardware access \(read\/write\) watchpoint 2: lock_word/g)).toHaveLength(4);
    expect(printed).toMatch(/sc\.d/);
    // cbo.zero writes zeros over zeros there.
    expect(printed).toMatch(/exited normally/);
  });

  it('steps over a range, also where a breakpoint ends it, and over a function', async () => {
    const { printed } = await debug(
      'break main',
      'continue',
      'next',
      'next',
      'next',
      'break mix',
      'next',
      'delete 2',
      'finish',
      'next',
      'info symbol $pc',
    );
    expect(printed).toMatch(/Breakpoint 2, \S+ in mix \(\)/);
    expect(printed).toMatch(/fill \+ \d+ in section/);
  });

  it('answers monitor commands', async () => {
    const { printed } = await debug(
      'monitor help',
      'break corrupt',
      'continue',
      'monitor point',
      'monitor registers',
      'monitor csrs',
      'monitor csr stvec',
      'monitor csr sscratch 0x77',
      'monitor csr nonsense',
      'monitor csr cycle 5',
      'monitor translate 0x80200000',
      'monitor phys',
      'monitor phys on',
      'x/s &text',
      'monitor phys off',
      'set breakpoint always-inserted on',
      'watch victim',
      'monitor stops',
      'monitor stats',
      'monitor constructor',
      'monitor',
      'monitor translate 0xzz',
    );
    expect(printed).toMatch(/csr NAME \[VALUE\] +shows a CSR/);
    expect(printed).toMatch(/branches 30\d+, pc 0x80203/);
    expect(printed).toContain('instructions 168');
    expect(printed).toMatch(/sp {9}0{8}802/);
    expect(printed).toContain(`stvec ${program.symbol('trap_entry').toString(16).padStart(16, '0')}`);
    expect(printed).toContain('sscratch 0000000000000077');
    expect(printed).toContain('There is no CSR "nonsense".');
    expect(printed).toContain('cycle cannot be written.');
    expect(printed).toContain('0x80200000 -> 0x80200000');
    expect(printed).toContain('memory is accessed by virtual addresses');
    expect(printed).toContain('to look at');
    expect(printed).toMatch(/breakpoint 0x80203[\s\S]*watchpoint 0x80204010, 8 bytes, write/);
    expect(printed).toContain('regions live');
    expect(printed).toContain('There is no "constructor"');
    expect(printed).toContain('"0xzz" is no number.');
  });

  it('lets the machine be when it goes: nothing that was looked at or stopped at shows', async () => {
    const commands = ['break floats', 'ignore 1 20', 'continue', 'x/64gx &table', 'info registers all', 'stepi 30'];
    const watching = ['watch half', 'continue', 'continue', 'rwatch counter', 'continue', 'detach'];
    const core = await program.create();
    const machine = await LiveMachine.start(core);
    await gdb([`target remote ${machine.server.address}`, ...commands, ...watching], program.path);
    expect(await machine.finished).toEqual({ kind: 'pass', code: 0 });
    expect(core.instructionsRetired).toBeGreaterThanOrEqual(plain.instructions);
    // Guest time followed the wall, so interrupts came elsewhere; memory is what it must be.
    expect(core.ram.copyOut(program.symbol('table'), 512)).toEqual(
      await finalMemory(program, program.symbol('table'), 512),
    );
    await machine.stop();
  });

  it('is interrupted by Ctrl-C', async () => {
    const endless = new BareProgram('endless.c');
    try {
      const machine = await LiveMachine.start(await endless.create());
      const running = new Gdb(
        [`target remote ${machine.server.address}`, 'continue', 'print turns > 0', 'info symbol $pc'],
        endless.path,
      );
      while (machine.core.instructionsRetired < 100_000n) await new Promise((resolve) => setTimeout(resolve, 10));
      running.interrupt();
      const printed = await running.ended;
      expect(printed).toMatch(/Program received signal SIGINT/);
      expect(printed).toContain('$1 = 1');
      expect(printed).toMatch(/spin(?: \+ \d+)? in section .text/);
      // The connection is gone, so the machine goes on.
      const before = machine.core.instructionsRetired;
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(machine.core.instructionsRetired).toBeGreaterThan(before);
      await machine.stop();
    } finally {
      endless.remove();
    }
  });

  it('is interrupted where it waits for an interrupt, also while it steps', async () => {
    const core = await MachineCore.create({
      memoryBytes: 4 * 1024 ** 2,
      seed: new Uint8Array(32),
      load: bootImages({ kernel: sleeping() }),
    });
    const machine = await LiveMachine.start(core);
    const running = new Gdb([
      `target remote ${machine.server.address}`,
      'continue',
      'monitor point',
      'stepi',
      'monitor point',
    ]);
    for (const wanted of [1, 2]) {
      while (!core.waiting || running.count('Program received signal SIGINT') < wanted - 1) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
      running.interrupt();
    }
    const printed = await running.ended;
    expect(printed.match(/Program received signal SIGINT/g)).toHaveLength(2);
    expect(printed.match(/waiting for an interrupt/g)).toHaveLength(2);
    await machine.stop();
  });

  it('ends the machine when it is told to kill it', async () => {
    const { machine } = await debug('break main', 'continue', 'kill');
    expect(machine.killed).toBe(true);
  });

  it('connects over a unix socket that only its owner can use', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'godwit-gdb-'));
    const path = join(folder, 'gdb.sock');
    try {
      const machine = await LiveMachine.start(await program.create(), path);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      await expect(GdbServer.listen(path, {} as never)).rejects.toThrow(GodwitError);
      const printed = await gdb([`target remote ${path}`, 'break corrupt', 'continue', 'detach'], program.path);
      expect(printed).toMatch(/Breakpoint 1, corrupt/);
      expect(await machine.finished).toEqual({ kind: 'pass', code: 0 });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  describe('in a recording', () => {
    const debugRecording = async (...commands: string[]) => {
      const machine = await ReplayedMachine.start(await program.create(), [], plain.branches);
      const printed = await gdb([`target remote ${machine.server.address}`, ...commands], program.path);
      await machine.stop();
      return printed;
    };

    it('finds who corrupted a variable by going back from the end', async () => {
      const printed = await debugRecording(
        'continue',
        'print victim',
        'watch victim',
        'reverse-continue',
        'info symbol $pc',
        'up',
        'print round',
        'print victim',
        'reverse-continue',
        'info symbol $pc',
      );
      expect(printed).toMatch(/No more reverse-execution history[\s\S]*\$1 = \d{15,}/);
      expect(printed).toMatch(/Old value = \d{15,}\nNew value = 4369/);
      expect(printed).toMatch(/^corrupt in section .text/m); // before the store
      expect(printed).toMatch(/\$2 = 150\n\$3 = 4369/);
      expect(printed).toMatch(/No more reverse-execution history[\s\S]*_start in section .text/);
    });

    it('goes back and forth over breakpoints and lines, always to the same places', async () => {
      const printed = await debugRecording(
        'break floats',
        'continue',
        'continue',
        'continue',
        'monitor point',
        'reverse-continue',
        'reverse-continue',
        'monitor point',
        'continue',
        'continue',
        'monitor point',
        'reverse-finish',
        'reverse-step',
        'reverse-next',
        'reverse-stepi',
        'stepi',
        'reverse-stepi',
        'next',
        'reverse-continue',
        'monitor point',
        'monitor goto 12345',
        'monitor goto 99999999',
        'monitor goto nowhere',
      );
      expect(printed).toContain('branches 12345,');
      expect(printed).toContain('"nowhere" is no number.');
      const points = [...printed.matchAll(/^branches (\d+), pc (0x[0-9a-f]+)$/gm)].map(([line]) => line);
      expect(points).toHaveLength(6);
      expect(points[2]).toBe(points[0]);
      expect(points[1]).not.toBe(points[0]);
    });

    it('is at the end of history in both directions, and changes nothing of what was recorded', async () => {
      const printed = await debugRecording(
        'reverse-stepi',
        'stepi',
        'reverse-stepi',
        'reverse-continue',
        'set var victim = 5',
        'set $a0 = 5',
        'monitor csr sscratch 5',
        'continue',
        'reverse-stepi',
        'stepi',
        'stepi',
        'print counter',
      );
      expect(printed.match(/No more reverse-execution history/g)!.length).toBeGreaterThanOrEqual(4);
      expect(printed).toMatch(/Cannot access memory at address|Could not write/);
      expect(printed).toContain('A replay cannot be changed');
      expect(printed).toContain('$1 = 200');
    });
  });
});

async function finalMemory(program: BareProgram, address: bigint, bytes: number) {
  const core = await program.create();
  while (core.run(core.current.branches + 100_000n).kind !== 'finished');
  return core.ram.copyOut(address, bytes);
}
