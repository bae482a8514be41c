import type { FrameSpan, GuestMemory } from '../../device.ts';

/** A range of guest-physical memory. Unlike a span it stays valid while frames move, and can be saved. */
export interface GuestRange {
  readonly address: bigint;
  readonly length: number;
}

/**
 * The frames behind all ranges, in order; undefined when one of them is not wholly in memory. Empty ranges are skipped.
 */
export function resolveRanges(
  memory: GuestMemory,
  ranges: readonly GuestRange[],
  access: 'read' | 'write',
): FrameSpan[] | undefined {
  const all: FrameSpan[] = [];
  for (const { address, length } of ranges) {
    if (length === 0) continue;
    const spans = memory.spans(address, length, access);
    if (spans === undefined) return undefined;
    for (const span of spans) all.push(span);
  }
  return all;
}

/** The part of some ranges that is `length` bytes long from byte `start` on. */
export function sliceRanges(ranges: readonly GuestRange[], start: number, length: number): GuestRange[] {
  return slice(ranges, start, length, (range, skip, taken) => ({
    address: range.address + BigInt(skip),
    length: taken,
  }));
}

/** The part of some spans that is `length` bytes long from byte `start` on. */
export function sliceSpans(spans: readonly FrameSpan[], start: number, length: number): FrameSpan[] {
  return slice(spans, start, length, (span, skip, taken) => ({ offset: span.offset + skip, length: taken }));
}

/** Copies from the spans' start into `into`; returns how many bytes there were. For headers, not for payloads. */
export function gather(memory: GuestMemory, spans: readonly FrameSpan[], into: Uint8Array): number {
  const { bytes } = memory;
  let done = 0;
  for (const span of spans) {
    if (done === into.length) break;
    const length = Math.min(span.length, into.length - done);
    into.set(bytes.subarray(span.offset, span.offset + length), done);
    done += length;
  }
  return done;
}

/** Copies parts, one after the other, into the spans; returns how many bytes there was room for. */
export function scatter(memory: GuestMemory, spans: readonly FrameSpan[], parts: readonly Uint8Array[]): number {
  const { bytes } = memory;
  let part = 0;
  let partOffset = 0;
  let done = 0;
  for (const span of spans) {
    let filled = 0;
    while (filled < span.length && part < parts.length) {
      const source = parts[part]!;
      const length = Math.min(span.length - filled, source.length - partOffset);
      bytes.set(source.subarray(partOffset, partOffset + length), span.offset + filled);
      filled += length;
      partOffset += length;
      if (partOffset === source.length) {
        part++;
        partOffset = 0;
      }
    }
    done += filled;
  }
  return done;
}

function slice<Piece extends { readonly length: number }>(
  pieces: readonly Piece[],
  start: number,
  length: number,
  cut: (piece: Piece, skip: number, taken: number) => Piece,
): Piece[] {
  const result: Piece[] = [];
  let skip = start;
  let left = length;
  for (const piece of pieces) {
    if (left === 0) break;
    if (skip >= piece.length) {
      skip -= piece.length;
      continue;
    }
    const taken = Math.min(piece.length - skip, left);
    result.push(cut(piece, skip, taken));
    left -= taken;
    skip = 0;
  }
  return result;
}
