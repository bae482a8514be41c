/**
 * Pins: how files were that a checkpoint rests on, so that it can be told later whether they still are. Size and time
 * of the last change are looked at each time. The checksum tells more: of a small file it is of all its bytes, so that
 * a file with another time may still be the same; of a large one it is of samples, since nobody waits until gigabytes
 * are read (docs/CHECKPOINTS.md says what that leaves open).
 */
import type { FilePin } from '../../common/file-pin.ts';
import type { ByteSource } from '../../platform/byte-source.ts';
import type { FileInfo } from '../../platform/files.ts';
import { platform } from '../../platform/platform.ts';

/** Files up to this size are read as a whole. */
const WHOLE_BYTES = 128 * 1024 ** 2;
/** Of larger ones so many samples, spread evenly, the first and the last bytes among them. */
const SAMPLES = 256;
const SAMPLE_BYTES = 64 * 1024;
const PIECE_BYTES = 256 * 1024;
const STEPS_IN_A_TURN = 16;
/** Checksums that are remembered. */
const KNOWN_LIMIT = 256;

/** How closely a file is looked at. */
export type PinDepth = 'times' | 'content';

interface Checksum {
  readonly checksum: number;
  readonly isWhole: boolean;
}

/** Of files that machines of this thread have had pinned, by what a file is and when it was written. */
const known = new Map<string, Checksum>();

/** Of a file as it is. Throws GodwitError when it is not there, or cannot be read. */
export async function pinFile(path: string): Promise<FilePin> {
  const pin = lookOf(await platform().files.look(path));
  return pin === undefined ? unknownPin() : await completePin(path, pin);
}

/** The same without its content, for one that is about to be read. */
export async function pinLook(path: string): Promise<FilePin> {
  return lookOf(await platform().files.look(path)) ?? unknownPin();
}

/** Adds the checksum, if the file is still what it was. */
export async function completePin(path: string, pin: FilePin): Promise<FilePin> {
  if (pin.checksum !== null) return pin;
  const info = await platform().files.look(path);
  if (info === undefined || !looksLike(info, pin)) return pin;
  const key = `${info.identity} ${pin.sizeBytes} ${pin.modifiedUs}`;
  const found = known.get(key) ?? (await checksumOfFile(path));
  if (known.size >= KNOWN_LIMIT) known.clear();
  known.set(key, found);
  return { ...pin, ...found };
}

/** What has become of a file, as the end of a sentence that begins with its name; undefined: it is as it was. */
export async function changeOf(path: string, pin: FilePin, depth: PinDepth): Promise<string | undefined> {
  const info = await platform().files.look(path);
  if (info?.kind !== 'file') return 'does not exist any more';
  if (info.sizeBytes !== pin.sizeBytes) return `has ${info.sizeBytes} bytes, and had ${pin.sizeBytes}`;
  const hasItsTime = microseconds(info) === pin.modifiedUs;
  if (hasItsTime && (depth === 'times' || pin.checksum === null)) return undefined;
  const canTell = pin.checksum !== null && (pin.isWhole || hasItsTime);
  if (canTell && (await checksumOfFile(path)).checksum === pin.checksum) return undefined;
  return 'was written since';
}

/** Whether that is the content that was pinned, as far as the pin tells. */
export function isPinned(bytes: Uint8Array, pin: FilePin): boolean {
  if (bytes.length !== pin.sizeBytes) return false;
  if (pin.checksum === null) return true;
  const source = { name: '', sizeBytes: bytes.length, close: () => {} };
  const read = (offset: number, into: Uint8Array): void => into.set(bytes.subarray(offset, offset + into.length));
  let checksum = 0;
  for (const step of checksumSteps({ ...source, read })) checksum = step;
  return checksum === pin.checksum;
}

function lookOf(info: FileInfo | undefined): FilePin | undefined {
  if (info?.kind !== 'file') return undefined;
  return { sizeBytes: info.sizeBytes, modifiedUs: microseconds(info), checksum: null, isWhole: false };
}

/** Of what is not there, which nothing equals. */
function unknownPin(): FilePin {
  return { sizeBytes: 0, modifiedUs: 0, checksum: null, isWhole: false };
}

function looksLike(info: FileInfo, pin: FilePin): boolean {
  return info.kind === 'file' && info.sizeBytes === pin.sizeBytes && microseconds(info) === pin.modifiedUs;
}

function microseconds({ modifiedMs }: FileInfo): number {
  return Math.max(0, Math.round(modifiedMs * 1000));
}

/** With turns for others between its steps. */
async function checksumOfFile(path: string): Promise<Checksum> {
  const { files, timers } = platform();
  const source = await files.openSource(path);
  try {
    let checksum = 0;
    let steps = 0;
    for (const step of checksumSteps(source)) {
      checksum = step;
      if (++steps % STEPS_IN_A_TURN === 0) await timers.turn();
    }
    return { checksum, isWhole: source.sizeBytes <= WHOLE_BYTES };
  } finally {
    source.close();
  }
}

/** Gives the checksum so far after each piece. */
function* checksumSteps(source: ByteSource): Generator<number> {
  const { codec } = platform();
  const { sizeBytes } = source;
  const isWhole = sizeBytes <= WHOLE_BYTES;
  const pieceBytes = isWhole ? PIECE_BYTES : SAMPLE_BYTES;
  const count = isWhole ? Math.ceil(sizeBytes / PIECE_BYTES) : SAMPLES;
  const stride = isWhole ? PIECE_BYTES : (sizeBytes - SAMPLE_BYTES) / (SAMPLES - 1);
  const buffer = new Uint8Array(pieceBytes);
  let checksum = 0;
  for (let index = 0; index < count; index++) {
    const offset = Math.floor(index * stride);
    const piece = buffer.subarray(0, Math.min(pieceBytes, sizeBytes - offset));
    source.read(offset, piece);
    checksum = codec.crc32(piece, checksum);
    yield checksum;
  }
}
