import { type Command, InvalidArgumentError, Option } from 'commander';
import type { DiskOptions, ShareOptions } from '../api/index.ts';
import { GodwitError } from '../common/errors.ts';
import { parseDiskArgument } from './disk-argument.ts';
import { addEngineOptions, type EngineOptions } from './engine-options.ts';
import { addSessionOptions, refuseSessionNonsense } from './session-options.ts';
import { parseShareArgument } from './share-argument.ts';

/** What commander gives for `godwit run`. */
export interface RunOptions extends EngineOptions {
  readonly memory: string;
  readonly disk: readonly DiskOptions[];
  readonly share: readonly ShareOptions[];
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly bios?: string;
  readonly debian?: boolean;
  /** False: --no-reboot was given. */
  readonly reboot: boolean;
  readonly console: 'uart' | 'virtio';
  readonly headless?: boolean;
  readonly json?: boolean;
  readonly agent: boolean;
  readonly seed?: string;
  readonly profile?: string;
  readonly symbols: readonly string[];
  readonly trace?: string | true;
  readonly traceFile?: string;
  readonly stats?: boolean;
  readonly record?: string;
  readonly flightRecorder?: number;
  readonly gdb?: number | string;
  readonly gdbStopped?: boolean;
  readonly name?: string;
  readonly debug?: boolean;
}

export function collectDisk(text: string, before: readonly DiskOptions[]): DiskOptions[] {
  return collect(text, before, parseDiskArgument);
}

function collectShare(text: string, before: readonly ShareOptions[]): ShareOptions[] {
  return collect(text, before, parseShareArgument);
}

function collect<T>(text: string, before: readonly T[], parse: (text: string) => T): T[] {
  try {
    return [...before, parse(text)];
  } catch (error) {
    if (error instanceof GodwitError) throw new InvalidArgumentError(`${error.message} ${error.hint ?? ''}`.trim());
    throw error;
  }
}

const HELP = `
On a terminal, Ctrl-A is for godwit: Ctrl-A x quits, Ctrl-A h shows the rest. All other keys are for
the guest. The exit status is the guest's: 0 when it powers off, its code when it reports a failure.
1: it could not be run; 2: the command makes no sense; 128 and the signal's number: a signal ended
it.

With --json each line of standard output is an object with "event": "started", "console" (with
"text"), "disk-error" (with "disk", "code", "message") and at last "ended" (with "reason",
"exitCode", "statistics").

Examples:
  godwit run                                         Debian's kernel, to a shell
  godwit run --disk work.qcow2 --memory 1G           the same with a disk, /dev/vda
  godwit run --share src,readonly                    the same with the folder src at /mnt/src
  godwit run --debian                                Debian, from its disk
  echo 'uname -a; poweroff' | godwit run             commands from a pipe
  godwit run --kernel Image --initrd initrd.img --append 'console=ttyS0 root=/dev/vda' -d d.qcow2
  godwit run --record boot.rec                       and then: godwit replay boot.rec
  godwit run --name web1                           and then: godwit checkpoint create --machine web1
  godwit run --gdb 1234 --gdb-stopped              and then: gdb-multiarch -ex 'target remote :1234'
  godwit run --trace 'csr*,0x80200000-0x8020ffff' --trace-file trace.txt
`;

export function addRunOptions(command: Command): Command {
  command
    .option('-m, --memory <size>', 'guest memory, such as 512M or 2G; up to 3G', '512M')
    .option(
      '-d, --disk <image>',
      'a disk: FILE[,readonly][,format=raw|qcow2][,serial=TEXT] (repeatable)',
      collectDisk,
      [],
    )
    .option(
      '-s, --share <dir[:mount][,readonly][,common]>',
      'a folder of this computer in the guest, at /mnt/NAME or MOUNT (repeatable)',
      collectShare,
      [],
    )
    .option(
      '-k, --kernel <file>',
      "Linux Image, ELF or raw program (default: Debian's kernel, unless --bios needs none)",
    )
    .option('-i, --initrd <file>', "initial RAM disk (default: godwit's own, with busybox)")
    .option('-a, --append <text>', "the kernel's command line, in place of the default one")
    .option('-b, --bios <file>', 'M-mode firmware such as OpenSBI, in place of the built-in SBI')
    .option('--no-reboot', 'end the machine when the guest reboots')
    .option('--debian', 'run Debian from its disk; what it writes is gone afterwards')
    .addOption(
      new Option('-c, --console <port>', 'the console that the terminal is connected to')
        .choices(['uart', 'virtio'])
        .default('uart'),
    )
    .option('--no-agent', 'leave out the port for the agent in the guest, by which exec and cp reach it')
    .option('--profile <file>', 'write where the guest spends its time to a file, for https://www.speedscope.app')
    .option(
      '--symbols <file[@address]>',
      'names for the profile: an ELF file or System.map, loaded at an address (repeatable)',
      (text: string, before: readonly string[]) => [...before, text],
      [],
    )
    .option('--seed <text>', 'what all random numbers of the machine follow from: any text, or 64 hexadecimal digits')
    .option('--trace [filter]', 'print each instruction that executes; filter: 0xSTART-0xEND,mnemonic,csr*')
    .option('--trace-file <file>', 'where the trace goes (default: standard error)');
  addEngineOptions(command);
  return addSessionOptions(command).option('--debug', 'print stack traces with errors').addHelpText('after', HELP);
}

/** Options that contradict one another. Throws GodwitError('usage'). */
export function refuseNonsense(options: RunOptions): void {
  refuseSessionNonsense(options);
  const { debian, bios, trace, traceFile } = options;
  if (debian && bios !== undefined)
    throw new GodwitError('usage', '--debian has its own way to boot: leave --bios out.');
  if (traceFile !== undefined && trace === undefined) {
    throw new GodwitError('usage', '--trace-file is of use only with --trace.');
  }
}
