/** Files as a stream of entries (guest-agent/protocol.h). */
import { GodwitError } from '../../common/errors.ts';
import type { SourceEntry, TreeTarget } from '../../platform/trees.ts';
import { concatenate } from './frames.ts';

const ENTRY_BYTES = 24;
const NAME_BYTES_MAXIMUM = 4096;
/** The agent takes no larger one. */
const PIECE_BYTES = 32 * 1024;
const LETTERS = { file: 'f', folder: 'd', 'folder-end': 'm', link: 'l' } as const;
const KINDS: ReadonlyMap<string, SourceEntry['kind']> = new Map(
  Object.entries(LETTERS).map(([kind, letter]) => [letter, kind as SourceEntry['kind']]),
);
const END = 'e';

/** How far a copy is. */
export interface TreeProgress {
  /** Bytes of files so far. */
  readonly doneBytes: number;
  /** Undefined when nobody knows: for a folder. */
  readonly totalBytes?: number;
}

type OnProgress = (progress: TreeProgress) => void;

/** Tells how far a copy is. */
class Meter {
  private doneBytes = 0;
  private totalBytes: number | undefined;
  private readonly onProgress: OnProgress;

  constructor(onProgress: OnProgress) {
    this.onProgress = onProgress;
  }

  begin({ kind, name, sizeBytes }: Pick<SourceEntry, 'kind' | 'name' | 'sizeBytes'>): void {
    if (name === '' && kind === 'file') this.totalBytes = sizeBytes;
  }

  add(bytes: number): void {
    const { totalBytes } = this;
    this.doneBytes += bytes;
    this.onProgress({ doneBytes: this.doneBytes, ...(totalBytes !== undefined && { totalBytes }) });
  }
}

function encodeEntry(letter: string, { name, mode, seconds, sizeBytes }: Omit<SourceEntry, 'kind'>): Uint8Array {
  const nameBytes = new TextEncoder().encode(name);
  if (nameBytes.length >= NAME_BYTES_MAXIMUM)
    throw new GodwitError('limit', `A path is too long: ${name.slice(0, 80)}...`);
  const bytes = new Uint8Array(ENTRY_BYTES + nameBytes.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, letter.charCodeAt(0));
  view.setUint16(2, nameBytes.length, true);
  view.setUint32(4, mode, true);
  view.setBigInt64(8, BigInt(seconds), true);
  view.setBigUint64(16, BigInt(sizeBytes), true);
  bytes.set(nameBytes, ENTRY_BYTES);
  return bytes;
}

function pieceLength(length: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, length, true);
  return bytes;
}

/** What `write` gets has up to some 32 KiB. */
export async function writeTree(
  entries: AsyncIterable<SourceEntry>,
  write: (bytes: Uint8Array) => Promise<void>,
  onProgress: OnProgress,
): Promise<void> {
  const meter = new Meter(onProgress);
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  const flush = async (): Promise<void> => {
    if (waitingBytes > 0) await write(concatenate(waiting));
    waiting = [];
    waitingBytes = 0;
  };
  const add = async (bytes: Uint8Array): Promise<void> => {
    if (waitingBytes + bytes.length > PIECE_BYTES) await flush();
    waiting.push(bytes);
    waitingBytes += bytes.length;
  };
  for await (const entry of entries) {
    const target = new TextEncoder().encode(entry.target ?? '');
    meter.begin(entry);
    await add(encodeEntry(LETTERS[entry.kind], entry.kind === 'link' ? { ...entry, sizeBytes: target.length } : entry));
    if (entry.kind === 'link') await add(target);
    if (!entry.content) continue;
    for await (const content of entry.content) {
      for (let at = 0; at < content.length; at += PIECE_BYTES) {
        const piece = content.subarray(at, at + PIECE_BYTES);
        await add(pieceLength(piece.length));
        await add(piece);
        meter.add(piece.length);
      }
    }
    await add(pieceLength(0));
  }
  await add(encodeEntry(END, { name: '', mode: 0, seconds: 0, sizeBytes: 0 }));
  await flush();
}

/** Gives pieces of any length of a stream. */
class Pieces {
  private readonly source: AsyncIterator<Uint8Array>;
  private bytes = new Uint8Array(0) as Uint8Array;

  constructor(source: AsyncIterator<Uint8Array>) {
    this.source = source;
  }

  /** Throws GodwitError('damaged') when the stream ends before. */
  async take(length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.bytes.length === 0) await this.more();
      const part = this.bytes.subarray(0, missing);
      this.bytes = this.bytes.subarray(part.length);
      parts.push(part);
      missing -= part.length;
    }
    return concatenate(parts);
  }

  private async more(): Promise<void> {
    const { done, value } = await this.source.next();
    if (done) throw broken('it ends too early');
    this.bytes = value;
  }
}

function broken(why: string): GodwitError {
  return new GodwitError('damaged', `What the guest sent in place of files makes no sense: ${why}.`);
}

/** Writes what a guest sent. Throws GodwitError('damaged') for what is none, and what `target` throws. */
export async function readTree(
  source: AsyncIterator<Uint8Array>,
  target: TreeTarget,
  onProgress: OnProgress,
): Promise<void> {
  const pieces = new Pieces(source);
  const meter = new Meter(onProgress);
  for (;;) {
    const header = await pieces.take(ENTRY_BYTES);
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
    const letter = String.fromCharCode(header[0]!);
    const name = textOf(await pieces.take(lengthOf(view.getUint16(2, true))));
    if (letter === END) return;
    const kind = KINDS.get(letter);
    if (!kind) throw broken('there is an entry of an unknown kind');
    const entry = {
      kind,
      name,
      mode: view.getUint32(4, true),
      seconds: Number(BigInt.asIntN(48, view.getBigInt64(8, true))),
      sizeBytes: Number(BigInt.asUintN(53, view.getBigUint64(16, true))),
    };
    meter.begin(entry);
    if (kind === 'link') await target.take({ ...entry, target: textOf(await pieces.take(lengthOf(entry.sizeBytes))) });
    else if (kind === 'file') await target.take({ ...entry, content: contentOf(pieces, meter) });
    else await target.take(entry);
  }
}

function lengthOf(length: number): number {
  if (length < NAME_BYTES_MAXIMUM) return length;
  throw broken('a name is too long');
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const shown = new TextDecoder().decode(bytes).slice(0, 200);
    throw new GodwitError('unsupported', `A name in the guest is no UTF-8: ${JSON.stringify(shown)}.`);
  }
}

async function* contentOf(pieces: Pieces, meter: Meter): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) {
    const header = await pieces.take(4);
    const length = new DataView(header.buffer, header.byteOffset, 4).getUint32(0, true);
    if (length === 0) return;
    if (length > PIECE_BYTES) throw broken('a piece of a file is too long');
    yield await pieces.take(length);
    meter.add(length);
  }
}
