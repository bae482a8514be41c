/**
 * A Linux that is up and writes memory, in this thread and without a clock: what is measured is the machine's part
 * alone.
 */
import { readFile } from 'node:fs/promises';
import { ensureGuest } from '../../src/guest/index.ts';
import { encodeNamed } from '../../src/isa/index.ts';
import { MachineCore } from '../../src/machine/core.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { MEMORY_LIMIT_BYTES } from '../../src/memory/arena.ts';
import { RAM_BASE } from '../../src/memory/layout.ts';
import { ReplayRunner } from '../../src/run/replay-runner.ts';

const MIB = 1024 ** 2;
/** Enough of a boot that everything is up and the prompt is there. */
const PROMPT = '~# ';
const STEP_BRANCHES = 500_000n;
const MOST_STEPS = 20_000;
const WRITTEN_BYTES = 6 * MIB;
/** Debian's kernel does not start with less. */
const LINUX_MEBIBYTES = 128;

/** A Linux at its prompt, and what it prints. */
export interface BootedGuest {
  readonly core: MachineCore;
  readonly printed: () => string;
}

export async function bootToPrompt(memoryMebibytes: number): Promise<BootedGuest> {
  const { kernelPath, initramfsPath } = await ensureGuest();
  const images = { kernel: await readFile(kernelPath), initrd: await readFile(initramfsPath) };
  const decoder = new TextDecoder();
  let text = '';
  const core = await MachineCore.create({
    memoryBytes: memoryMebibytes * MIB,
    reservedBytes: MEMORY_LIMIT_BYTES,
    shared: true,
    seed: new Uint8Array(32).fill(7),
    load: bootImages({ ...images, bootArguments: 'console=ttyS0 quiet cryptomgr.notests' }),
    output: (_port, bytes) => {
      text += decoder.decode(bytes);
    },
  });
  const runner = new ReplayRunner(core, []);
  while (!text.includes(PROMPT)) runner.run(core.current.branches + STEP_BRANCHES);
  return { core, printed: () => text };
}

export class BusyGuest {
  readonly core: MachineCore;
  private readonly printed: () => string;

  private constructor({ core, printed }: BootedGuest) {
    this.core = core;
    this.printed = printed;
  }

  /** Half of its memory is written once; then a program goes on writing a few MiB again and again. */
  static async boot(memoryMebibytes: number): Promise<BusyGuest> {
    if (memoryMebibytes < LINUX_MEBIBYTES) return BusyGuest.bareMetal(memoryMebibytes);
    const guest = new BusyGuest(await bootToPrompt(memoryMebibytes));
    const fill = `head -c ${(memoryMebibytes / 2 - 50) * MIB} /dev/zero | tr '\\0' x > /mnt/fill`;
    guest.type(`stty -echo; mount -t tmpfs -o size=95% none /mnt; ${fill} && echo fil''led\r`);
    guest.runUntil('filled');
    guest.type(`while true; do head -c ${WRITTEN_BYTES} /dev/urandom > /tmp/w; md5sum /tmp/w; done | grep -c x &\r`);
    guest.runBranches(3_000_000n);
    return guest;
  }

  /** The same without Linux, whose table of memory sections alone has 32 MiB. */
  private static async bareMetal(memoryMebibytes: number): Promise<BusyGuest> {
    const program = writingProgram((memoryMebibytes / 2) * MIB, WRITTEN_BYTES);
    const core = await MachineCore.create({
      memoryBytes: memoryMebibytes * MIB,
      reservedBytes: MEMORY_LIMIT_BYTES,
      shared: true,
      seed: new Uint8Array(32),
      load: ({ ram, current: hart }) => {
        ram.copyIn(BigInt(RAM_BASE), program);
        hart.pc = BigInt(RAM_BASE);
      },
    });
    const guest = new BusyGuest({ core, printed: () => '' });
    guest.runBranches(5_000_000n);
    return guest;
  }

  private type(text: string): void {
    this.core.deliver({ kind: 'input', port: 'uart', bytes: new TextEncoder().encode(text) });
  }

  /** Leaves the machine where it takes input. */
  private runUntil(text: string): void {
    const before = this.printed().length;
    for (let step = 0; step < MOST_STEPS; step++) {
      if (this.printed().slice(before).includes(text)) return;
      this.runBranches(STEP_BRANCHES);
    }
    throw new Error(`The guest does not print "${text}": ${this.printed().slice(before)}`);
  }

  runBranches(branches: bigint): void {
    new ReplayRunner(this.core, []).run(this.core.current.branches + branches);
  }
}

/** Writes `once` bytes from 4 MiB on, and then the first `again` of them for ever. */
function writingProgram(once: number, again: number): Uint8Array {
  const [t0, t1, t2, s0, s1] = [5, 6, 7, 8, 9];
  const words = [
    encodeNamed('auipc', { rd: s0, immediate: 4 * MIB }),
    encodeNamed('auipc', { rd: s1, immediate: 4 * MIB + once }),
    encodeNamed('addi', { rd: t0, rs1: s0, immediate: 0 }),
    encodeNamed('sd', { rs1: t0, rs2: t0, immediate: 0 }),
    encodeNamed('addi', { rd: t0, rs1: t0, immediate: 8 }),
    encodeNamed('bltu', { rs1: t0, rs2: s1, immediate: -8 }),
    encodeNamed('lui', { rd: t1, immediate: again }),
    encodeNamed('add', { rd: s1, rs1: s0, rs2: t1 }),
    encodeNamed('addi', { rd: t0, rs1: s0, immediate: 0 }),
    encodeNamed('addi', { rd: t2, rs1: t2, immediate: 1 }),
    encodeNamed('sd', { rs1: t0, rs2: t2, immediate: 0 }),
    encodeNamed('addi', { rd: t0, rs1: t0, immediate: 8 }),
    encodeNamed('bltu', { rs1: t0, rs2: s1, immediate: -8 }),
    encodeNamed('jal', { rd: 0, immediate: -20 }),
  ];
  return new Uint8Array(new Uint32Array(words).buffer);
}
