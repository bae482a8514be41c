/** What `godwit run` boots when it is not told: Debian's kernel, with our initramfs or from a Debian disk. */
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { DiskOptions, MachineOptions } from '../api/index.ts';
import { GodwitError } from '../common/errors.ts';
import {
  createMachineDisk,
  ensureDebianDisk,
  ensureGuest,
  GUEST_MEMORY_MINIMUM_BYTES,
  QUICK_BOOT_PARAMETERS,
  renderProgress,
} from '../guest/index.ts';
import { makeTemporaryFolder } from '../platform/node/temporary-folder.ts';
import { firmwareNeedsKernel } from '../service/machine/machine-files.ts';
import { guestWork } from './guest-work.ts';
import type { RunOptions } from './run-options.ts';
import { runToEnd } from './run-to-end.ts';

export interface BootFiles {
  readonly options: Pick<MachineOptions, 'kernel' | 'initrd' | 'append' | 'bios'>;
  /** Ahead of the user's disks. */
  readonly disks: readonly DiskOptions[];
  /** Takes temporary files away. */
  cleanUp(): Promise<void>;
}

interface Terminal {
  readonly columns: number;
  readonly rows: number;
  readonly name: string | undefined;
}

const nothing = async (): Promise<void> => {};

/** Fetches and builds what is missing, with progress on stderr. Throws GodwitError. */
export async function bootFiles(
  options: RunOptions,
  memoryBytes: number,
  terminal: Terminal | undefined,
): Promise<BootFiles> {
  if (options.kernel === undefined && options.debian) requireGuestMemory(memoryBytes);
  if (options.debian) return await debianFiles(options, terminal);
  const { kernel, initrd, bios, append } = options;
  const completeFirmware = bios !== undefined && !(await firmwareNeedsKernel(resolve(bios), memoryBytes));
  if (kernel !== undefined || completeFirmware) {
    return {
      options: {
        ...(kernel === undefined ? {} : { kernel }),
        ...(initrd === undefined ? {} : { initrd }),
        ...(bios === undefined ? {} : { bios }),
        ...(append === undefined ? {} : { append }),
      },
      disks: [],
      cleanUp: nothing,
    };
  }
  requireGuestMemory(memoryBytes);
  const guest = await ensureGuest({ progress: renderProgress(process.stderr) });
  return {
    options: {
      ...(bios === undefined ? {} : { bios }),
      kernel: guest.kernelPath,
      initrd: initrd ?? guest.initramfsPath,
      append: append ?? defaultParameters(options, terminal).join(' '),
    },
    disks: [],
    cleanUp: nothing,
  };
}

/** Before anything is fetched. */
function requireGuestMemory(memoryBytes: number): void {
  if (memoryBytes >= GUEST_MEMORY_MINIMUM_BYTES) return;
  const [given, least] = [memoryBytes, GUEST_MEMORY_MINIMUM_BYTES].map((bytes) => Math.floor(bytes / 1024 ** 2));
  throw new GodwitError('limit', `Debian's kernel does not start in ${given} MiB of memory.`, {
    hint: `Give it at least ${least} MiB: --memory ${least}M.`,
  });
}

function defaultParameters({ console: port }: RunOptions, terminal: Terminal | undefined): string[] {
  const consoles = port === 'virtio' ? ['console=ttyS0', 'console=hvc0'] : ['console=ttyS0'];
  const name = terminal?.name !== undefined && /^[\w.+-]+$/.test(terminal.name) ? [`TERM=${terminal.name}`] : [];
  // A UART does not know its terminal's size: the guest's start scripts set it.
  const size = terminal === undefined ? [] : [`godwit.size=${terminal.rows}x${terminal.columns}`];
  return [...consoles, ...QUICK_BOOT_PARAMETERS, ...name, ...size];
}

/** The Debian disk stays as it is: the machine writes to an overlay, which goes away with it. */
async function debianFiles(options: RunOptions, terminal: Terminal | undefined): Promise<BootFiles> {
  const debian = await guestWork((given) => ensureDebianDisk({ ...given, runMachine: runToEnd }));
  const folder = await makeTemporaryFolder();
  const path = join(folder, 'debian.qcow2');
  const cleanUp = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await createMachineDisk(path, debian);
  } catch (error) {
    await cleanUp();
    throw error;
  }
  return {
    options: {
      kernel: options.kernel ?? debian.guest.kernelPath,
      initrd: options.initrd ?? debian.guest.initramfsPath,
      append: options.append ?? [...defaultParameters(options, terminal), 'root=/dev/vda'].join(' '),
    },
    disks: [{ path, format: 'qcow2' }],
    cleanUp,
  };
}
