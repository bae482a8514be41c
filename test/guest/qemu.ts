/** Runs machines in QEMU, as a judge of what the guest's files do on a machine that is not ours. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';

export const QEMU = 'qemu-system-riscv64';
export const hasQemu = spawnSync(QEMU, ['--version']).status === 0;
/** For the names of skipped tests. */
export const QEMU_NEEDED = `skipped where ${QEMU} (Debian: qemu-system-misc) is not installed`;

export interface QemuOptions {
  kernelPath: string;
  initramfsPath: string;
  append: string;
  memory?: string;
  extra?: readonly string[];
  onConsole?: (text: string) => void;
}

export class Qemu {
  readonly #child: ChildProcessWithoutNullStreams;
  #text = '';
  readonly #status: Promise<number>;
  #wake: () => void = () => {};

  constructor(options: QemuOptions) {
    const args = ['-M', 'virt', '-m', options.memory ?? '512M', '-nographic', '-no-reboot'];
    args.push('-kernel', options.kernelPath, '-initrd', options.initramfsPath, '-append', options.append);
    this.#child = spawn(QEMU, [...args, ...(options.extra ?? [])]);
    const take = (chunk: Buffer): void => {
      this.#text += chunk.toString('latin1');
      options.onConsole?.(chunk.toString('latin1'));
      this.#wake();
    };
    this.#child.stdout.on('data', take);
    this.#child.stderr.on('data', take);
    this.#status = new Promise((resolve) => this.#child.once('close', (status) => resolve(status ?? -1)));
    void this.#status.then(() => this.#wake());
  }

  /** All that came from the console, without carriage returns. */
  get text(): string {
    return this.#text.replaceAll('\r', '');
  }

  write(text: string): void {
    this.#child.stdin.write(text);
  }

  /**
   * Resolves when the console has shown `wanted` after the first `from` characters; rejects when the machine ends
   * before.
   */
  async waitFor(wanted: string, from = 0): Promise<void> {
    let ended = false;
    void this.#status.then(() => {
      ended = true;
    });
    while (!this.text.includes(wanted, from)) {
      if (ended) throw new Error(`The machine ended before it said "${wanted}":\n${this.text.slice(-3000)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** QEMU's exit status: what the guest gave the test finisher, or 0 after a power-off. */
  status(): Promise<number> {
    return this.#status;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
