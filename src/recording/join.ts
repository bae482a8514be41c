import { GodwitError } from '../common/errors.ts';
import type { ByteSource } from '../platform/byte-source.ts';
import type { Codec } from '../platform/codec.ts';
import { encodePlainData } from '../state/plain-data-codec.ts';
import { endToPlainData, type RecordedEnd } from './end.ts';
import { EntryWriter } from './entries.ts';
import { fileHeader } from './header.ts';
import { END, EVENTS, IMAGES, PAGES, PAGES_END, RECORD_HEADER_BYTES, START } from './layout.ts';
import { frameRecord } from './record-frame.ts';
import { Recording } from './recording.ts';
import { scanRecords } from './records.ts';

const START_RECORDS: readonly string[] = [START, PAGES, PAGES_END];

/**
 * The bytes of one recording made of several, each of which begins where the one before it ends. Those in front that
 * are not whole are left out. Throws GodwitError('damaged') when nothing is left.
 */
export function* joinRecordings(sources: readonly ByteSource[], codec: Codec): Generator<Uint8Array> {
  const usable = lastUnbroken(sources, codec);
  yield fileHeader(codec.crc32);
  let images = false;
  for (const [index, { source, recording }] of usable.entries()) {
    for (const { type, offset, storedBytes } of scanRecords(source, codec)) {
      const repeated = (index > 0 && START_RECORDS.includes(type)) || (images && type === IMAGES) || type === END;
      images ||= type === IMAGES;
      if (repeated) continue;
      const record = new Uint8Array(RECORD_HEADER_BYTES + storedBytes);
      source.read(offset, record);
      yield record;
    }
    yield* endOf(recording, index === usable.length - 1, codec);
  }
}

interface Usable {
  readonly source: ByteSource;
  readonly recording: Recording;
}

/** The longest row at the end in which each recording goes on to the next. */
function lastUnbroken(sources: readonly ByteSource[], codec: Codec): readonly Usable[] {
  const usable: Usable[] = [];
  for (const source of sources) {
    const recording = openUnlessDamaged(source, codec);
    if (!recording) continue;
    const before = usable.at(-1)?.recording;
    if (before && before.end?.point.branches !== recording.start.point.branches) usable.length = 0;
    usable.push({ source, recording });
  }
  if (usable.length > 0) return usable;
  throw new GodwitError('damaged', 'There is no recording that is whole.');
}

function openUnlessDamaged(source: ByteSource, codec: Codec): Recording | undefined {
  try {
    return Recording.open(source, codec);
  } catch (error) {
    if (error instanceof GodwitError && error.code === 'damaged') return undefined;
    throw error;
  }
}

/** In the middle the digest at the end becomes one among others. */
function* endOf(recording: Recording, isLast: boolean, codec: Codec): Generator<Uint8Array> {
  const { end } = recording;
  if (!isLast) {
    if (!end?.digest) return;
    const entries = new EntryWriter();
    entries.digest(end.point, end.digest);
    yield frameRecord(EVENTS, entries.take(), 0, codec.crc32);
    return;
  }
  const known: RecordedEnd = end ?? {
    reason: 'stopped',
    point: recording.endPoint,
    ticks: recording.endTicks,
    instructionsRetired: recording.start.instructionsRetired,
    epochMs: recording.markers.at(-1)?.epochMs ?? recording.start.epochMs,
    digest: null,
  };
  yield frameRecord(END, encodePlainData(endToPlainData(known)), 0, codec.crc32);
}
