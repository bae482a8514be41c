import { HEADER_BYTES } from '../checkpoint/container/layout.ts';
import { GodwitError } from '../common/errors.ts';
import type { ExecutionPoint } from '../machine/execution-point.ts';
import type { Images } from '../machine/linux.ts';
import type { PageSource } from '../memory/page-source.ts';
import type { ByteSource, GrowingByteSource } from '../platform/byte-source.ts';
import type { Codec } from '../platform/codec.ts';
import type { EventLog, LoggedEvent } from '../run/event-log.ts';
import { madeByNewer } from '../state/format-errors.ts';
import { decodePlainData } from '../state/plain-data-codec.ts';
import { ByteReader } from './bytes.ts';
import { endFromPlainData, type RecordedEnd } from './end.ts';
import { type Entry, type Marker, readEntries } from './entries.ts';
import { checkFileHeader } from './header.ts';
import { imagesFromPlainData } from './images.ts';
import {
  END,
  EVENTS,
  IMAGES,
  KNOWN_RECORDS,
  PAGE_BYTES,
  PAGES,
  PAGES_END,
  RECORD_HEADER_BYTES,
  START,
} from './layout.ts';
import { PageDirectory, RecordedPages } from './recorded-pages.ts';
import { endOfRecord, type RecordPlace, readRecord, type ScanEnd, scanRecords } from './records.ts';
import { type RecordedStart, startFromPlainData } from './start.ts';

/** A digest of the machine at a point. */
export interface RecordedDigest {
  /** Where the machine was. */
  readonly point: ExecutionPoint;
  /** How many events had been delivered. */
  readonly delivered: number;
  /** Registers, devices and memory, as hashes (docs/FORMATS.md). */
  readonly content: Uint8Array;
}

/** Guest time and wall-clock time at a point of a recording. */
export interface RecordedMarker extends Marker {
  /** Where the machine was. */
  readonly point: ExecutionPoint;
}

/**
 * Whether a recording is all that was recorded. 'growing': it is still being made. 'broken-off': it has no end, since
 * whoever recorded it was killed or the file was shortened. 'damaged': it is not what was written.
 */
export type RecordingState = 'whole' | 'growing' | 'broken-off' | 'damaged';

/** Content of records that is kept, for what disks answered. */
const CACHED_RECORDS = 4;

/**
 * A recording that is open. All that a damaged file holds up to the damage is of use, if that is more than the start:
 * `notice` says so. One that is still being made grows with `refresh`, and has no end meanwhile.
 */
export class Recording {
  /** The machine, and where the recording begins. */
  readonly start: RecordedStart;
  /** @internal */
  readonly events: readonly LoggedEvent[];
  /** What a replay is compared with, in order. */
  readonly digests: readonly RecordedDigest[];
  /** Now and then, in order: which guest time was at which time of the host. */
  readonly markers: readonly RecordedMarker[];
  /** @internal */
  readonly source: ByteSource;
  /** Pages of guest memory (4 KiB) that are in the file, as they were at the start. */
  readonly pageCount: number;
  /** Bytes of the file that are the machine as it was at the start. */
  readonly startBytes: number;
  private readonly codec: Codec;
  private readonly found: Reading;

  private constructor(source: ByteSource, codec: Codec, found: Reading) {
    this.source = source;
    this.codec = codec;
    this.found = found;
    this.start = found.start!;
    this.events = found.events;
    this.digests = found.digests;
    this.markers = found.markers;
    this.pageCount = found.directory!.size;
    this.startBytes = found.startBytes;
  }

  /**
   * @internal Reads and checks the whole file. Takes the source over, and closes it when it throws: GodwitError
   * 'unsupported' for what is no recording or a newer one, 'damaged' when there is nothing that could be replayed,
   * 'io'.
   */
  static open(source: ByteSource, codec: Codec): Recording {
    try {
      checkFileHeader(source, codec.crc32);
      const reading = new Reading(source, codec);
      reading.readOn();
      if (!reading.end) reading.breakOff();
      return new Recording(source, codec, reading);
    } catch (error) {
      source.close();
      throw error;
    }
  }

  /**
   * @internal For a recording that may still be in the making: each call of what is given back reads what there is of
   * it by then, and gives the recording once all that a replay begins with is there. Throws as `open` does; the source
   * stays the caller's until there is a recording.
   */
  static follow(source: GrowingByteSource, codec: Codec): () => Recording | undefined {
    let reading: Reading | undefined;
    return () => {
      if (source.sizeBytes < HEADER_BYTES) return undefined;
      if (!reading) {
        checkFileHeader(source, codec.crc32);
        reading = new Reading(source, codec);
        reading.growing = source;
      }
      reading.readOn();
      return reading.hasStart ? new Recording(source, codec, reading) : undefined;
    };
  }

  /** Whether it is still being made, as far as is known. */
  get isGrowing(): boolean {
    return this.found.growing !== undefined;
  }

  /** Reads what was appended since. Whether there is anything new. Throws GodwitError('io'). */
  refresh(): boolean {
    const { found } = this;
    if (!found.growing) return false;
    const before = found.offset;
    found.growing.refresh();
    found.readOn();
    return found.offset > before || !this.isGrowing;
  }

  /** @internal Nothing more will come: whoever made it is gone. It is a recording that broke off. */
  giveUp(): void {
    if (!this.isGrowing) return;
    this.found.breakOff();
  }

  /** Whether it is all that was recorded. */
  get state(): RecordingState {
    const { found } = this;
    if (found.growing || found.isUnfinished) return 'growing';
    if (found.isDamaged) return 'damaged';
    return found.end ? 'whole' : 'broken-off';
  }

  /** @internal It was opened as it is by now, and somebody still records: it has not broken off. */
  markUnfinished(): void {
    const { found } = this;
    if (found.end || found.isDamaged) return;
    found.isUnfinished = true;
    found.notice = `${this.source.name} is still being recorded: this is what there is of it by now.`;
  }

  /** Missing when the recording broke off, or still grows. */
  get end(): RecordedEnd | undefined {
    return this.found.end;
  }

  /** @internal What the machine boots from, when it was reset. */
  get images(): Images | undefined {
    return this.found.images;
  }

  /** For a person: why a part of the file is of no use. */
  get notice(): string | undefined {
    return this.found.notice;
  }

  /** @internal The events, for a replay. */
  get log(): EventLog {
    return new RecordedLog(this);
  }

  /** Where the recording ends, or broke off; of one that grows, the last point that is known. */
  get endPoint(): ExecutionPoint {
    return this.end?.point ?? this.found.last;
  }

  /** Guest time at the end, or at the last moment for which it is known, in ticks of 100 ns. */
  get endTicks(): bigint {
    if (this.end) return this.end.ticks;
    const clock = this.events.findLast(({ event }) => event.kind === 'clock')?.event;
    const told = clock?.kind === 'clock' ? clock.ticks : 0n;
    const marked = this.markers.at(-1)?.ticks ?? this.start.ticks;
    return told > marked ? told : marked;
  }

  /** @internal Memory at the start. */
  pages(): PageSource {
    return new RecordedPages(this.source, this.codec, this.found.directory!);
  }

  /** Closes the file. Replays of it, which read pages when they are touched, must have ended. */
  close(): void {
    this.source.close();
  }
}

class RecordedLog implements EventLog {
  private readonly recording: Recording;

  constructor(recording: Recording) {
    this.recording = recording;
  }

  at(index: number): LoggedEvent | 'not yet' | 'end' {
    return this.recording.events[index] ?? (this.recording.isGrowing ? 'not yet' : 'end');
  }

  get horizon(): ExecutionPoint {
    return this.recording.endPoint;
  }
}

/** What has been read so far. */
class Reading {
  start: RecordedStart | undefined;
  directory: PageDirectory | undefined;
  readonly events: LoggedEvent[] = [];
  readonly digests: RecordedDigest[] = [];
  readonly markers: RecordedMarker[] = [];
  end: RecordedEnd | undefined;
  images: Images | undefined;
  notice: string | undefined;
  isDamaged = false;
  isUnfinished = false;
  startBytes = 0;
  last: ExecutionPoint = { hart: 0, branches: 0n, pc: 0n };
  /** Branches of each hart. */
  private readonly reached = new Map<number, bigint>();
  /** Where the next record begins. */
  offset = HEADER_BYTES;
  /** While more may come. */
  growing: GrowingByteSource | undefined;
  private pagesWhole = false;
  private scanned: ScanEnd = { kind: 'whole' };
  private readonly source: ByteSource;
  private readonly codec: Codec;
  private readonly cache = new Map<number, Uint8Array>();

  constructor(source: ByteSource, codec: Codec) {
    this.source = source;
    this.codec = codec;
  }

  /** All complete records from `offset` on. */
  readOn(): void {
    const { source } = this;
    const records = scanRecords(source, this.codec, this.offset);
    let next = records.next();
    for (; !next.done && !this.end; next = records.next()) {
      const place = next.value;
      try {
        this.take(place);
      } catch (error) {
        if (!isDamage(error)) throw error;
        this.isDamaged = true;
        this.breakOff(`is damaged at byte ${place.offset}: ${messageOf(error)}`);
        return;
      }
      this.offset = endOfRecord(place);
    }
    if (next.done) this.scanned = next.value;
    if (this.end) this.finish(next.done === true && next.value.kind === 'whole');
    else if (this.scanned.kind === 'damaged') {
      this.isDamaged = true;
      this.breakOff();
    }
  }

  private finish(isWhole: boolean): void {
    const { source } = this;
    this.growing = undefined;
    this.requireStart(source.sizeBytes);
    if (isWhole) return;
    this.isDamaged = true;
    this.notice = `${source.name} goes on after the end of the recording; that part is left out.`;
  }

  /** What follows is of no use; nothing more is read. */
  breakOff(what = this.reasonToBreakOff()): void {
    const { offset } = this;
    this.growing = undefined;
    this.requireStart(offset);
    if (this.notice !== undefined) return;
    const lost = this.source.sizeBytes - offset;
    const left = lost === 0 ? '' : `; the last ${lost} bytes are left out`;
    const why = this.isDamaged ? '' : ' Whoever recorded it was killed, or the file was shortened.';
    this.notice = `${this.source.name} ${what}${left}.${why}`;
  }

  private reasonToBreakOff(): string {
    const { kind } = this.scanned;
    if (kind === 'damaged') return `is damaged at byte ${this.offset}: a checksum is wrong`;
    return kind === 'cut' ? 'is cut short' : 'broke off without an end';
  }

  /** Whether a replay can begin. */
  get hasStart(): boolean {
    return this.start !== undefined && this.pagesWhole;
  }

  private requireStart(offset: number): void {
    if (this.hasStart) return;
    throw new GodwitError(
      'damaged',
      `${this.source.name} holds nothing to replay: the machine's state at the start is incomplete (byte ${offset}).`,
    );
  }

  private take(place: RecordPlace): void {
    const { type } = place;
    if (!KNOWN_RECORDS.includes(type)) {
      if (/^[a-z]/.test(type)) return;
      throw madeByNewer(this.source.name, `it needs "${type}", which this one does not know`);
    }
    const content = readRecord(this.source, this.codec, place);
    if (type === START || type === PAGES) this.startBytes += RECORD_HEADER_BYTES + place.storedBytes;
    if (type === START) this.takeStart(content);
    else if (!this.start || !this.directory) throw new RangeError('it does not begin with a start');
    else if (type === PAGES) this.directory.add(place, content);
    else if (type === PAGES_END) this.takePagesEnd(this.directory, content);
    else if (type === EVENTS) this.takeEvents(place, content);
    else if (type === IMAGES) this.images = imagesFromPlainData(decodePlainData(content, this.source.name));
    else if (type === END) this.end = endFromPlainData(decodePlainData(content, this.source.name));
  }

  private takeStart(content: Uint8Array): void {
    if (this.start) throw new RangeError('it has two starts');
    this.start = startFromPlainData(decodePlainData(content, this.source.name));
    this.directory = new PageDirectory(this.start.memoryBytes / PAGE_BYTES);
    this.last = this.start.point;
    this.reached.set(this.last.hart, this.last.branches);
  }

  private takePagesEnd(directory: PageDirectory, content: Uint8Array): void {
    if (new ByteReader(content).u32() !== directory.size) throw new RangeError('pages are missing');
    this.pagesWhole = true;
  }

  private takeEvents(place: RecordPlace, content: Uint8Array): void {
    const reload = () => this.reload(place);
    // A record counts as a whole or not at all.
    const entries = [...readEntries(new ByteReader(content), reload)];
    this.checkOrder(entries);
    for (const entry of entries) {
      const { point } = entry;
      if (entry.kind === 'event') this.events.push({ point, event: entry.event });
      else if (entry.kind === 'marker') this.markers.push({ point, ...entry.marker });
      else this.digests.push({ point, delivered: this.events.length, content: entry.digest });
      this.last = point;
    }
  }

  private checkOrder(entries: readonly Entry[]): void {
    const { disks, shares = [] } = this.start!;
    for (const entry of entries) {
      const { hart, branches } = entry.point;
      if (branches < (this.reached.get(hart) ?? 0n)) throw new RangeError('its entries are out of order');
      this.reached.set(hart, branches);
      if (entry.kind !== 'event') continue;
      const { event } = entry;
      if (event.kind === 'block' && event.disk >= disks.length) {
        throw new RangeError('a disk answers that does not exist');
      }
      if (event.kind === 'share' && event.share >= shares.length) {
        throw new RangeError('a shared folder answers that does not exist');
      }
    }
  }

  private reload(place: RecordPlace): Uint8Array {
    const { cache } = this;
    const content = cache.get(place.offset) ?? readRecord(this.source, this.codec, place);
    cache.delete(place.offset);
    cache.set(place.offset, content);
    if (cache.size > CACHED_RECORDS) {
      const [oldest] = cache.keys();
      cache.delete(oldest!);
    }
    return content;
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof RangeError || (error instanceof GodwitError && error.code === 'damaged');
}

function messageOf(error: unknown): string {
  return (error as Error).message.replace(/\.$/, '');
}
