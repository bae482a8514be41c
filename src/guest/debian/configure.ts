/** Lets the guest configure its own packages: the first boot of a root disk that was unpacked on the host. */
import { writeFile } from 'node:fs/promises';
import { throwIfCancelled } from '../../common/cancellation.ts';
import { GodwitError } from '../../common/errors.ts';
import type { Guest } from '../guest-state.ts';
import { QUICK_BOOT_PARAMETERS } from '../kernel-parameters.ts';
import type { Progress } from '../progress.ts';
import { CONFIGURE_PROGRAM } from './system-files.ts';

/** A machine to be run to its end. */
export interface MachineRequest {
  /** For `MachineOptions.kernel`. */
  kernelPath: string;
  /** For `MachineOptions.initrd`. */
  initramfsPath: string;
  /** Linux's command line. */
  append: string;
  /** Its only disk, which becomes /dev/vda. */
  disk: { path: string; format: 'raw' };
  /** Guest RAM. */
  memoryBytes: number;
  /** Most of its programs run once, so that translating their code pays late. For `MachineOptions.jitThreshold`. */
  jitThreshold: number;
  /** Called with what the guest prints on its console. */
  onConsole(text: string): void;
  /** When it is aborted, the machine is to be stopped. */
  signal?: AbortSignal;
}

/** Runs a machine until it powers off or is stopped; gives the status that it powered off with. */
export type RunMachine = (request: MachineRequest) => Promise<number>;

const CONFIGURE_MEMORY_BYTES = 1024 ** 3;
const CONFIGURE_JIT_THRESHOLD = 20_000;
/** Of the console's text, what is kept for a message. */
const KEPT_LINES = 6;
const LONGEST_LINE = 4096;
const SETTING_UP = /^Setting up (\S+)/;
/** The script's own word on what it does next. */
const NOW = /^godwit: now (.+)$/;

/** Splits console text into lines, the last of which may still be growing. */
export class ConsoleLines {
  private readonly onLine: (line: string) => void;
  private pending = '';

  constructor(onLine: (line: string) => void) {
    this.onLine = onLine;
  }

  push(text: string): void {
    const lines = (this.pending + text).split(/\r*\n/);
    this.pending = (lines.pop() ?? '').slice(-LONGEST_LINE);
    for (const line of lines) this.onLine(line);
  }
}

/** What is said of a build that its caller has ended. */
export const CANCELLED = 'The Debian disk is not built';

export interface ConfigureOptions {
  guest: Guest;
  diskPath: string;
  packageCount: number;
  runMachine: RunMachine;
  progress: Progress;
  /** Gets all that the guest says, for a person who wants to know why it failed. */
  logPath: string;
  signal?: AbortSignal;
}

const LOG_LIMIT_CHARACTERS = 4 * 1024 ** 2;

/** Boots the disk with its configuration script as process 1. Throws GodwitError('io') if that fails in the guest. */
export async function configureDisk(options: ConfigureOptions): Promise<void> {
  const { guest, diskPath, packageCount, runMachine, progress } = options;
  const phase = 'Debian configures itself';
  const lastLines: string[] = [];
  const log: string[] = [];
  let logged = 0;
  let done = 0;
  let configured = false;
  const lines = new ConsoleLines((line) => {
    if (line.trim() !== '') lastLines.push(line.trim());
    if (lastLines.length > KEPT_LINES) lastLines.shift();
    if (line === 'godwit: configured') configured = true;
    const next = NOW.exec(line)?.[1];
    if (next !== undefined) progress.update({ phase: next });
    if (SETTING_UP.test(line)) {
      done += 1;
      progress.update({ phase, done, total: packageCount, unit: 'packages' });
    }
  });
  progress.update({ phase, done, total: packageCount, unit: 'packages' });
  const status = await runMachine({
    kernelPath: guest.kernelPath,
    initramfsPath: guest.initramfsPath,
    append: `console=ttyS0 panic=-1 ${QUICK_BOOT_PARAMETERS.join(' ')} root=/dev/vda init=${CONFIGURE_PROGRAM}`,
    disk: { path: diskPath, format: 'raw' },
    memoryBytes: CONFIGURE_MEMORY_BYTES,
    jitThreshold: CONFIGURE_JIT_THRESHOLD,
    ...(options.signal && { signal: options.signal }),
    onConsole: (text) => {
      if (logged < LOG_LIMIT_CHARACTERS) log.push(text);
      logged += text.length;
      lines.push(text);
    },
  });
  if (status === 0 && configured) return;
  throwIfCancelled(options.signal, CANCELLED);
  await writeFile(options.logPath, log.join(''));
  throw new GodwitError(
    'io',
    `Debian could not be configured in the guest (status ${status}); it said last: ${lastLines.join(' | ')}`,
    { hint: `All that it said is in ${options.logPath}.` },
  );
}
