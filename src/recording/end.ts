import type { ExecutionPoint } from '../machine/execution-point.ts';
import type { PlainData } from '../state/plain-data.ts';
import { StateReader } from '../state/state-reader.ts';
import { pointFrom } from './start.ts';

/**
 * 'stopped': the recording was ended while the machine went on, or the machine from outside. The others are what the
 * guest did.
 */
export type EndReason = 'stopped' | 'power-off' | 'failure' | 'unknown-images';

/** Where a recording ends, and why. */
export interface RecordedEnd {
  /** What ended it. */
  readonly reason: EndReason;
  /** Where the machine was. */
  readonly point: ExecutionPoint;
  /** Guest time, in ticks of 100 ns. */
  readonly ticks: bigint;
  /** How many the guest had executed by then. */
  readonly instructionsRetired: bigint;
  /** Milliseconds since 1970, of the host. */
  readonly epochMs: number;
  /**
   * Of this point (docs/FORMATS.md). Null where a replay could not tell it from others: time had been skipped there.
   */
  readonly digest: Uint8Array | null;
}

const VERSION = 1;
const FIELDS = ['reason', 'point', 'ticks', 'instructionsRetired', 'epochMs', 'digest'];
const REASONS: readonly EndReason[] = ['stopped', 'power-off', 'failure', 'unknown-images'];
const DIGEST_MAXIMUM_BYTES = 1024 ** 2;

export function endToPlainData(end: RecordedEnd): PlainData {
  return { version: VERSION, ...end, point: { ...end.point } };
}

/** Throws GodwitError('damaged'). */
export function endFromPlainData(data: PlainData): RecordedEnd {
  const reader = StateReader.part('a recording, its end', data, VERSION, FIELDS);
  return {
    reason: reader.word('reason', REASONS),
    point: pointFrom(reader.raw('point')),
    ticks: reader.u64('ticks'),
    instructionsRetired: reader.u64('instructionsRetired'),
    epochMs: reader.integer('epochMs', Number.MAX_SAFE_INTEGER),
    digest: reader.raw('digest') === null ? null : reader.bytes('digest', DIGEST_MAXIMUM_BYTES),
  };
}
