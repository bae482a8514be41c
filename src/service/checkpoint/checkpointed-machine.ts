/** What a checkpoint says of the machine beside its state: what is needed to make it anew. */
import type { DiskConfiguration, ImageSource, MachineConfiguration, RestoreConfiguration } from '../../api/options.ts';
import { SEED_BYTES } from '../../api/seed.ts';
import { GodwitError } from '../../common/errors.ts';
import type { BootFile } from '../../common/file-pin.ts';
import type { MachineCore } from '../../machine/core.ts';
import { bootImages, type Images } from '../../machine/linux.ts';
import { platform } from '../../platform/platform.ts';
import type { PlainData } from '../../state/plain-data.ts';
import { hasField, StateReader } from '../../state/state-reader.ts';
import { MachineDisks, type RestoredDisk } from '../disk/machine-disks.ts';
import type { MachineShares, RepliesOnTheirWay } from '../share/machine-shares.ts';
import { describeShares, openCheckpointedShares, readShares, type SharesOfCheckpoint } from './checkpointed-shares.ts';
import { isPinned } from './file-pins.ts';
import { bootFilesOf, refuseChangedImages } from './rests.ts';
import { CheckpointStore, type OpenCheckpoint } from './store/store.ts';

const VERSION = 1;
const FIELDS = ['consolePort', 'terminal', 'bootArguments', 'images', 'serials'];
/** Only of machines with shared folders: what others are saved as stays as it was. */
const SHARES = 'shares';
/** Only of those for which it is so, too. */
const ENDS_AT_RESET = 'endsAtReset?';
const MAXIMUM_PATH_BYTES = 4096;
/** No board has room for more disks. */
const MAXIMUM_SERIALS = 64;
const MAXIMUM_TERMINAL = 0xffff;

/** What cannot be told from a machine's state. */
export type MachineDescription = Pick<
  MachineConfiguration,
  'consolePort' | 'terminal' | 'bootArguments' | 'kernel' | 'initrd' | 'bios' | 'disks' | 'bootFiles' | 'endsAtReset'
>;

/** Images are needed again only when the guest resets itself; those given by path are named. */
export function describeMachine(configuration: MachineDescription, shares?: SharesOfCheckpoint): PlainData {
  const { consolePort, terminal, bootArguments, kernel, initrd, bios, disks, endsAtReset = false } = configuration;
  const path = (source: ImageSource | undefined) => (typeof source === 'string' ? source : null);
  return {
    version: VERSION,
    consolePort,
    terminal: { columns: terminal.columns, rows: terminal.rows },
    bootArguments: bootArguments ?? null,
    images: { kernel: path(kernel), initrd: path(initrd), bios: path(bios) },
    serials: disks.map(({ serial }) => serial),
    ...(endsAtReset && { [ENDS_AT_RESET]: true }),
    ...(shares && shares.shares.length > 0 && { [SHARES]: describeShares(shares) }),
  };
}

export interface DescribedMachine {
  readonly configuration: MachineConfiguration;
  /** Answers of shared folders that the machine had not got yet. */
  readonly replies: RepliesOnTheirWay;
  readonly serials: readonly string[];
}

/** Throws GodwitError('damaged'). The configuration has no disks yet. */
export function readMachine(
  data: PlainData,
  { memoryBytes, translation }: Pick<MachineConfiguration, 'memoryBytes' | 'translation'>,
): DescribedMachine {
  const fields = [...FIELDS, ...[SHARES, ENDS_AT_RESET].filter((name) => hasField(data, name))];
  const reader = StateReader.part('the machine that the checkpoint is of', data, VERSION, fields);
  const terminal = new StateReader("the machine's terminal", reader.raw('terminal'), ['columns', 'rows']);
  const images = new StateReader("the machine's images", reader.raw('images'), ['kernel', 'initrd', 'bios']);
  const serials = reader.list('serials', 0, MAXIMUM_SERIALS).map((serial) => textOf(serial, 'a serial number') ?? '');
  const bootArguments = textOf(reader.raw('bootArguments'), 'the command line');
  const image = (name: 'kernel' | 'initrd' | 'bios') => {
    const path = textOf(images.raw(name), 'the path of an image');
    return path === undefined ? {} : { [name]: path };
  };
  const { shares, replies } = readShares(reader.has(SHARES) ? reader.raw(SHARES) : null);
  return {
    serials,
    replies,
    configuration: {
      ...image('kernel'),
      ...image('initrd'),
      ...image('bios'),
      ...(bootArguments === undefined ? {} : { bootArguments }),
      memoryBytes,
      disks: [] as DiskConfiguration[],
      ...(shares.length > 0 && { sharedFolders: shares }),
      ...(reader.has(ENDS_AT_RESET) && reader.flag(ENDS_AT_RESET) && { endsAtReset: true }),
      consolePort: reader.word('consolePort', ['uart', 'virtio']),
      terminal: {
        columns: terminal.integer('columns', MAXIMUM_TERMINAL),
        rows: terminal.integer('rows', MAXIMUM_TERMINAL),
      },
      // The machine's own seed is part of its state.
      seed: new Uint8Array(SEED_BYTES),
      translation,
    },
  };
}

function textOf(value: PlainData, what: string): string | undefined {
  if (value === null) return undefined;
  if (typeof value === 'string' && value.length <= MAXIMUM_PATH_BYTES) return value;
  throw new GodwitError('damaged', `The machine that the checkpoint is of is damaged: ${what} is no text.`);
}

/** What a machine needs to go on from a checkpoint, all of it open. */
export interface Checkpointed {
  readonly configuration: MachineConfiguration;
  readonly disks: MachineDisks;
  readonly shares: MachineShares;
  readonly replies: RepliesOnTheirWay;
  readonly opened: OpenCheckpoint;
  /** The folder of all checkpoints. */
  readonly store: string;
}

/** Throws GodwitError, with nothing left open. */
export async function openCheckpointed(request: RestoreConfiguration): Promise<Checkpointed> {
  const store = await CheckpointStore.open(request.store === undefined ? {} : { folder: request.store });
  const opened = await store.openCheckpoint(request.checkpoint);
  try {
    const { meta } = opened;
    const { translation, diskFolder } = request;
    await refuseChangedImages(meta);
    const { configuration, serials, replies } = readMachine(meta.machine, {
      memoryBytes: meta.memoryBytes,
      translation,
    });
    const restored = meta.disks.map(
      ({ path, format, sizeBytes, readonly }, i): RestoredDisk => ({
        path: store.diskPath(path),
        format,
        sizeBytes,
        readonly,
        serial: serials[i] ?? '',
      }),
    );
    const shares = await openCheckpointedShares(configuration.sharedFolders);
    try {
      const disks = await MachineDisks.openRestored(restored, diskFolder);
      const complete = { ...configuration, disks: disks.configured, bootFiles: bootFilesOf(meta) };
      return { configuration: complete, disks, shares, replies, opened, store: store.folder };
    } catch (error) {
      await shares.close();
      throw error;
    }
  } catch (error) {
    opened.pages.close();
    throw error;
  }
}

/**
 * The guest resets itself: the images are looked for where they were. They may be gone, which ends the machine with a
 * clear error.
 */
export function resetFrom(configuration: MachineConfiguration): (core: MachineCore) => void {
  return (core) => {
    const images = imagesOf(configuration);
    if (!images) {
      throw new GodwitError('not-found', 'The guest asked for a reset, and its images are not in the checkpoint.', {
        hint: 'Images that are given by their path are found again.',
      });
    }
    bootImages(images)(core);
  };
}

/** What a machine boots from, read again. Undefined when that is not known; throws GodwitError when it is gone. */
export function imagesOf(configuration: MachineConfiguration): Images | undefined {
  const { kernel, initrd, bios, bootArguments, bootFiles = [] } = configuration;
  if (kernel === undefined && bios === undefined) return undefined;
  const read = (use: BootFile['use'], source: ImageSource | undefined) =>
    readAsPinned(
      source,
      bootFiles.find((file) => file.use === use),
    );
  const images = { kernel: read('kernel', kernel), initrd: read('initrd', initrd), bios: read('firmware', bios) };
  return {
    ...(images.kernel && { kernel: images.kernel }),
    ...(images.initrd && { initrd: images.initrd }),
    ...(images.bios && { bios: images.bios }),
    ...(bootArguments === undefined ? {} : { bootArguments }),
  };
}

function readAsPinned(source: ImageSource | undefined, file: BootFile | undefined): Uint8Array | undefined {
  if (typeof source !== 'string') return source;
  const bytes = platform().files.readNow(source);
  if (file === undefined || isPinned(bytes, file.pin)) return bytes;
  throw new GodwitError('state', `The machine cannot be started again: ${source} is not what it booted from.`, {
    hint: 'Put the file back as it was when the machine was started.',
  });
}
