/**
 * What a device is to the rest of the machine. A device is driven only by register accesses of the guest and by events
 * as events; it reads no clock, random source, file or socket by itself. Host handles are constructor arguments and
 * never part of the state.
 */

import type { Stateful } from '../state/plain-data.ts';

export type AccessWidth = 1 | 2 | 4;

/**
 * A block of memory-mapped registers. The bus calls it with `0 <= offset`, `offset + width <= sizeBytes`, any
 * alignment, and splits 8-byte accesses into two of 4, low half first. Values are unsigned. It never throws, whatever
 * the guest does: registers that do not exist read as 0 and ignore writes.
 */
export interface MmioDevice extends Stateful {
  readonly name: string;
  readonly sizeBytes: number;
  read(offset: number, width: AccessWidth): number;
  write(offset: number, width: AccessWidth, value: number): void;
  /** To the state after power-on. Host handles stay. */
  reset(): void;
}

/** A level-triggered interrupt line. Setting the level that it has is allowed and does nothing. */
export interface InterruptLine {
  set(level: boolean): void;
}

/** Interrupt bits of `mip` that come from outside the hart (privileged spec 3.1.9). */
export type ExternalInterrupt = 'msip' | 'mtip' | 'meip' | 'seip';

/** Where CLINT and PLIC put their outputs. */
export interface HartInterrupts {
  readonly hartCount: number;
  set(hart: number, interrupt: ExternalInterrupt, level: boolean): void;
}

/** Guest time. It is a function of the branch count, so that all who read it agree in every replay. */
export interface GuestClock {
  /** The `time` CSR: ticks of 10 MHz since power-on. */
  ticks(): bigint;
  /** Wall-clock time as the guest should see it: nanoseconds since 1970, advancing with `ticks`. */
  epochNanoseconds(): bigint;
}

/** Random bytes: from the machine's seed, or what a recording holds. */
export interface Entropy {
  fill(into: Uint8Array): void;
}

/** A part of one frame: `length` bytes from byte `offset` of the host memory. It never crosses a frame's end. */
export interface FrameSpan {
  offset: number;
  length: number;
}

/**
 * The guest's physical memory as devices see it. Addresses are guest-physical and may be anything a guest can write
 * into a descriptor; one that is not wholly in RAM gives `undefined`/`false`, never an exception.
 */
export interface GuestMemory {
  /**
   * The whole host memory; index it with FrameSpan.offset. Valid until the next call of anything that may allocate
   * frames.
   */
  readonly bytes: Uint8Array;
  /**
   * The frames behind a range, in order. 'write' makes each frame private and writable first (copy-on-write, dirty
   * tracking, translated code): what is then written through the spans, before the guest runs again, is seen by all.
   */
  spans(address: bigint, length: number, access: 'read' | 'write'): FrameSpan[] | undefined;
  /** Little-endian scalar reads; no alignment is needed. */
  readU16(address: bigint): number | undefined;
  readU32(address: bigint): number | undefined;
  readU64(address: bigint): bigint | undefined;
  writeU16(address: bigint, value: number): boolean;
  writeU32(address: bigint, value: number): boolean;
  writeU64(address: bigint, value: bigint): boolean;
  /** Copies; for loaders, debuggers and tests, not for device payloads. */
  copyOut(address: bigint, length: number): Uint8Array | undefined;
  copyIn(address: bigint, data: Uint8Array): boolean;
}
