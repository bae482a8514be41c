/** Debugging the kernel and a process of Debian's Linux, live and in the recording of that. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeCpio } from '../../src/guest/cpio.ts';
import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { readKallsyms } from '../../src/profile/index.ts';
import type { LoggedEvent } from '../../src/run/replay-runner.ts';
import { guestImages } from '../support/guest.ts';
import { missing } from './support/bare.ts';
import { GDB, Gdb, gdb, LiveMachine, ReplayedMachine } from './support/gdb.ts';

const COMPILER = 'riscv64-linux-gnu-gcc';
const SOURCE = new URL('programs/accounts.c', import.meta.url).pathname;
const MIB = 1024 ** 2;
const DIGEST_EVERY_BRANCHES = 1_500_000n;
const LAST_BRANCHES = 21_000_000n;

/** A process for the guest, at addresses that no other one has. */
function compile(folder: string): string {
  const path = join(folder, 'accounts');
  const flags = ['-g', '-O1', '-static', '-no-pie', '-Wl,-Ttext-segment=0x40000000'];
  const { status, stderr } = spawnSync(COMPILER, [...flags, '-o', path, SOURCE], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return path;
}

describe('Linux under a debugger', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : missing(COMPILER, GDB);
  const unlessReason = reason ? ` (skipped: ${reason})` : '';
  let folder = '';
  let program = '';
  let initrd: Uint8Array;

  beforeAll(() => {
    if ('reason' in images || reason) return;
    folder = mkdtempSync(join(tmpdir(), 'godwit-gdb-linux-'));
    program = compile(folder);
    const entry = { type: 'file', name: 'accounts', permissions: 0o755, content: readFileSync(program) } as const;
    // The kernel unpacks one archive after the other.
    initrd = Buffer.concat([images.initrd, writeCpio([entry])]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const create = (output?: CoreOptions['output']): Promise<MachineCore> => {
    if ('reason' in images) throw new Error(images.reason);
    return MachineCore.create({
      memoryBytes: 128 * MIB,
      reservedBytes: 1024 * MIB,
      seed: new Uint8Array(32).fill(8),
      load: bootImages({
        kernel: images.kernel,
        initrd,
        bootArguments: 'console=ttyS0 quiet nokaslr cryptomgr.notests',
      }),
      ...(output && { output }),
    });
  };

  it.skipIf(reason)(`boots with the same digests, whatever it is stopped at${unlessReason}`, async () => {
    const seen = { pcs: new Set<bigint>(), stacks: new Set<bigint>() };
    const digestsOf = async (look: (core: MachineCore, part: number) => void) => {
      const core = await create();
      const digests: string[] = [];
      let stops = 0;
      let part = 0;
      for (let next = DIGEST_EVERY_BRANCHES; next <= LAST_BRANCHES; next += DIGEST_EVERY_BRANCHES) {
        look(core, part++);
        while (core.current.branches < next) {
          const outcome = core.run(next);
          if (outcome.kind === 'waiting') core.skipTo(outcome.deadline!);
          if (outcome.kind !== 'debug') continue;
          stops++;
          core.stops.pass(() => core.step());
          // What is hit all the time is taken away again.
          if (stops % 400 === 0) core.stops.set([], []);
        }
        digests.push(`${core.current.branches} ${core.current.pc} ${core.instructionsRetired} ${core.digest()}`);
      }
      return { digests, stops };
    };
    const plain = await digestsOf(({ current: hart }) => {
      seen.pcs.add(hart.pc);
      seen.stacks.add(BigInt.asUintN(64, hart.x(2)));
    });
    const pcs = [...seen.pcs];
    const stacks = [...seen.stacks];
    const stopped = await digestsOf((core, part) => {
      const watchpoints = stacks.slice(part % 5).map((address) => ({ kind: 'access', address, bytes: 64 }) as const);
      core.stops.set(part % 3 === 1 ? [] : pcs.slice(part % 4), part % 3 === 2 ? [] : watchpoints);
    });
    expect(stopped.stops).toBeGreaterThan(1000);
    expect(stopped.digests).toEqual(plain.digests);
  });

  describe('a process with a bug', () => {
    const events: LoggedEvent[] = [];
    let printed = '';
    let endBranches = 0n;

    it.skipIf(reason)(`is debugged live, and the kernel around it${unlessReason}`, async () => {
      if ('reason' in images) throw new Error(images.reason);
      const decoder = new TextDecoder();
      const core = await create((_port, bytes) => (printed += decoder.decode(bytes, { stream: true })));
      const machine = await LiveMachine.start(core, 0, (stamped) => events.push(stamped));
      machine.runner.unhalt();
      const shows = async (wanted: string) => {
        while (!printed.includes(wanted)) await new Promise((resolve) => setTimeout(resolve, 10));
      };
      await shows('~#');
      const getpid = readKallsyms(images.kernel).find(({ name }) => name === '__riscv_sys_clone');
      const session = new Gdb(
        [
          'set trust-readonly-sections on',
          `target remote ${machine.server.address}`,
          `hbreak *${getpid!.address}`,
          'continue',
          'print $priv',
          'delete',
          'break main',
          'continue',
          'next',
          'backtrace',
          'monitor process on',
          'break transfer',
          'continue',
          'info args',
          'print accounts',
          'x/i $pc',
          'finish',
          'print accounts[0].balance',
          'delete',
          'detach',
        ],
        program,
      );
      while (!machine.server.connected) await new Promise((resolve) => setTimeout(resolve, 5));
      machine.runner.input('uart', new TextEncoder().encode('/accounts; echo do"ne"\r'));
      const said = await session.ended;
      expect(said).toMatch(/Breakpoint 1, 0xffffffff\w+ in/);
      expect(said).toMatch(/\$1 = .*1/); // S-mode
      expect(said).toMatch(/Breakpoint 2, main \(\)/);
      expect(said).toMatch(/#0 {2}main \(\) at/);
      expect(said).toContain('only in the process with satp 0x');
      // The child comes by there first.
      expect(said).toMatch(/Breakpoint 3, transfer \(from=\S*0, to=\S*1, amount=\S*30\)/);
      expect(said).toMatch(/name = "alice[\s\S]*balance = 100[\s\S]*balance = 200/);
      expect(said).toContain('$3 = 70');
      await shows('done\r\n');
      expect(printed).toMatch(/child: 150 and 150\r\nparent: 102 and 225/);
      await machine.stop();
      endBranches = core.current.branches;
      core.dispose();
    });

    it.skipIf(reason)(`is found in the recording, by going back from where it shows${unlessReason}`, async () => {
      const machine = await ReplayedMachine.start(await create(), events, endBranches);
      const said = await gdb(
        [
          'set trust-readonly-sections on',
          `target remote ${machine.server.address}`,
          'break report if $_streq(who, "parent")',
          'continue',
          'monitor process on',
          'up',
          'print accounts[0].balance',
          'watch accounts[0].balance',
          'reverse-continue',
          'reverse-continue',
          'backtrace 1',
          'print which',
          'reverse-finish',
          'info symbol $pc',
          'delete',
          'monitor point',
          'continue',
        ],
        program,
      );
      await machine.stop();
      expect(said).toMatch(/Breakpoint 1, report \(who=\S+ "parent"\)/);
      expect(said).toContain('$1 = 102');
      expect(said).toMatch(/Old value = 102\s+New value = 97[\s\S]*transfer/);
      expect(said).toMatch(/Old value = 97\s+New value = \d+[\s\S]*rename_account \(which=\S*0/);
      expect(said).toMatch(/#0 {2}\S* ?(?:in )?rename_account/);
      expect(said).toMatch(/main \+ \d+ in section .text/);
      expect(said).toContain('No more reverse-execution history');
    });
  });
});
