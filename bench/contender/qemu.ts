import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { GodwitError } from '../../src/common/errors.ts';
import { runProgram } from '../../src/guest/process.ts';
import type { DiskFile, GuestImage } from '../guest-image.ts';
import { LineSplitter } from '../markers.ts';
import { cpuMsOf } from '../process-usage.ts';
import { ConsoleSession } from './console-session.ts';
import type { Contender, KernelRun } from './contender.ts';
import { endChild } from './end-child.ts';

export const QEMU = 'qemu-system-riscv64';

/**
 * QEMU's `virt` board with one hart, firmware and accelerator as they come; the console is on standard input and
 * output.
 */
export function qemuArguments(image: GuestImage): string[] {
  const board = ['-M', 'virt', '-smp', '1', '-m', `${image.memoryMebibytes}M`, '-nographic', '-no-reboot'];
  const disks = image.disks.flatMap(diskArguments);
  return [...board, ...disks, '-kernel', image.kernelPath, '-initrd', image.initrdPath, '-append', image.commandLine];
}

function diskArguments({ path, format, readonly }: DiskFile, index: number): string[] {
  // Commas separate QEMU's options and are doubled inside them.
  const file = `file=${path.replaceAll(',', ',,')}`;
  const drive = `if=none,id=disk${index},${file},format=${format},readonly=${readonly ? 'on' : 'off'}`;
  return ['-drive', drive, '-device', `virtio-blk-device,drive=disk${index}`];
}

/** Throws GodwitError('not-found') when QEMU is missing. */
export async function qemuVersion(): Promise<string> {
  const { stdout } = await runProgram(QEMU, ['--version']);
  return stdout.split('\n')[0]!;
}

/** The suite in QEMU's translator (TCG). */
export class QemuContender implements Contender {
  private readonly image: GuestImage;
  private child: ChildProcessWithoutNullStreams | undefined;
  private session: ConsoleSession | undefined;

  constructor(image: GuestImage) {
    this.image = image;
  }

  async start(): Promise<void> {
    const child = spawn(QEMU, qemuArguments(this.image), { stdio: 'pipe' });
    const session = new ConsoleSession((text) => child.stdin.write(text));
    const lines = new LineSplitter();
    child.stdin.on('error', () => {}); // The exit says it.
    child.stdout.on('data', (bytes: Buffer) => {
      const atMs = performance.now();
      const cpuMs = child.pid === undefined ? undefined : cpuMsOf(child.pid);
      for (const text of lines.push(bytes)) session.line({ text, atMs, cpuMs, instructions: undefined });
    });
    child.on('error', (error) => session.end(`${QEMU} can't be started: ${error.message}.`));
    child.on('exit', (status, signal) => session.end(`${QEMU} ended (${signal ?? `status ${status}`}).`));
    this.child = child;
    this.session = session;
    await session.ready();
  }

  async run(kernel: string, repetitions: number): Promise<KernelRun> {
    if (!this.session) throw new GodwitError('state', 'QEMU is not started.');
    return this.session.run(kernel, repetitions);
  }

  async stop(): Promise<void> {
    this.session?.end('The benchmark was stopped.');
    if (this.child) await endChild(this.child);
  }
}
