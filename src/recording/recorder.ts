import { GodwitError } from '../common/errors.ts';
import type { MachineCore } from '../machine/core.ts';
import type { Images } from '../machine/linux.ts';
import type { Outcome } from '../machine/outcome.ts';
import type { LoggedEvent } from '../run/event-log.ts';
import type { LiveListener } from '../run/listeners.ts';
import { encodePlainData } from '../state/plain-data-codec.ts';
import { DigestTaker } from './digest.ts';
import { encodeDigest } from './digest-codec.ts';
import { type EndReason, endToPlainData } from './end.ts';
import { EntryWriter } from './entries.ts';
import type { RecordingHost, RecordingSink } from './host.ts';
import { imagesToPlainData } from './images.ts';
import { END, EVENTS, IMAGES, START } from './layout.ts';
import { RecordWriter } from './record-writer.ts';
import { REGISTER_NAMES } from './registers.ts';
import { type RecordedMachine, startToPlainData } from './start.ts';
import { savePages } from './start-pages.ts';

export interface RecorderParts {
  readonly core: MachineCore;
  readonly machine: RecordedMachine;
  readonly host: RecordingHost;
  readonly sink: RecordingSink;
  /** What wrote it: "godwit 0.1.0". */
  readonly tool: string;
  /** What the machine boots from, for when the guest resets it. Without it a reset ends the recording. */
  readonly images?: () => Images | undefined;
  /** A digest each time the guest ran for so long, whatever that costs. Default: as often as costs next to nothing. */
  readonly digestEveryMs?: number;
  /**
   * While nothing else is recorded, those who follow the recording are told this often how far the machine is; ten
   * times more seldom when it does next to nothing. Default: 1 s.
   */
  readonly progressEveryMs?: number;
  /** Nothing more can be written, a full disk for example. The machine goes on. */
  readonly onFailure?: (error: GodwitError) => void;
  /** The recording has ended itself. */
  readonly onEnd?: (reason: EndReason) => void;
  /** Whether so much waits to be written that the machine should. */
  readonly onCongestion?: (congested: boolean) => void;
}

/** What is lost when the process is killed is no older than that. */
const FLUSH_MS = 200;
const FLUSH_BYTES = 256 * 1024;
const MARKER_MS = 1000;
const PROGRESS_MS = 1000;
/** A guest that merely idles takes less in a second; one that prints something takes more. */
const IDLE_BUSY_MS = 2;
const IDLE_FACTOR = 10;
const CONGESTED_BYTES = 64 * 1024 ** 2;
/** A guest hardly writes more than that between two looks. */
const LEAST_ROOM_BYTES = 64 * 1024 ** 2;
const RELIEVED_BYTES = CONGESTED_BYTES / 4;

/** Digests take less than this part of the time that the guest runs. */
const DIGEST_SHARE = 0.006;
const DIGEST_LEAST_MS = 250;
const DIGEST_MOST_MS = 60_000;
const DIGEST_GROWTH = 4;
/** What the guest's first write to a page costs after a digest, and what hashing the page costs. */
const FIRST_WRITE_MS = 0.0015;

/**
 * Records a machine from where it is now. The one who drives the machine calls `event` and `slice`; nothing here makes
 * it wait. The machine's memory is written while it runs: until `started` resolves, a copy of what the guest changes is
 * kept.
 */
export class Recorder implements LiveListener {
  private readonly parts: RecorderParts;
  private readonly writer: RecordWriter;
  private readonly entries = new EntryWriter();
  private readonly digests: DigestTaker;
  /** Resolves when the file has all that a replay needs to begin; false: it never will. */
  readonly started: Promise<boolean>;
  private cancelFlush: (() => void) | undefined;
  private markedMs = Number.NEGATIVE_INFINITY;
  /** Where and when the machine was last known to those who follow the recording. */
  private known: { branches: bigint; ms: number; busyMs: number };
  private busyMs = 0;
  /** Something arrived since those who follow the recording were told how far the machine is. */
  private isUnanswered = false;
  private intervalMs: number;
  private congested = false;
  private hasImages = false;
  private hasEnded = false;
  /** Resolves when nothing of a recording that failed is left, or only what can be replayed. */
  private abandoned: Promise<void> | undefined;
  /** Where execution stopped last, if a replay can tell that from all that came after. */
  private pause: { readonly branches: bigint; readonly ticks: bigint } | undefined;
  private stoppedBranches: bigint;
  private startBytes = 0;
  private eventCount = 0;
  private digestCount = 0;

  constructor(parts: RecorderParts) {
    this.parts = parts;
    const { core, host, sink } = parts;
    this.writer = new RecordWriter(host, sink, (error) => this.fail(error));
    this.stoppedBranches = core.current.branches;
    this.known = { branches: core.current.branches, ms: host.nowMs(), busyMs: 0 };
    this.intervalMs = parts.digestEveryMs ?? DIGEST_LEAST_MS;
    // Before the watch for writes, which begins with the snapshot.
    const { memory, state, point, instructionsRetired } = core.snapshot();
    this.digests = new DigestTaker(core);
    this.writer.append(
      START,
      encodePlainData(
        startToPlainData({
          ...parts.machine,
          tool: parts.tool,
          board: core.board.version.name,
          registerNames: REGISTER_NAMES,
          epochMs: host.epochMs(),
          point,
          ticks: core.ticks,
          instructionsRetired,
          state,
        }),
      ),
    );
    this.started = savePages(
      memory,
      this.writer,
      () => host.turn(),
      () => this.isShortOfMemory(),
    )
      .then(async (whole) => {
        await this.writer.drain();
        this.startBytes = this.writer.fileBytes;
        return whole && !this.writer.failed;
      })
      .finally(() => memory.release());
  }

  /** The guest needs frames of its own while the start is kept; it comes first. */
  private isShortOfMemory(): boolean {
    if (this.parts.core.engine.arena.roomBytes >= LEAST_ROOM_BYTES) return false;
    this.fail(
      new GodwitError(
        'limit',
        'The recording ends: there is no memory left to keep what the machine had at its start.',
        {
          hint: 'Give the machine less memory, or record it from its beginning.',
        },
      ),
    );
    return true;
  }

  /** Bytes of the file beyond the machine's memory at the start. */
  get logBytes(): number {
    return Math.max(0, this.writer.fileBytes - this.startBytes);
  }

  get fileBytes(): number {
    return this.writer.fileBytes;
  }

  /** Events and digests so far. */
  get counts(): { readonly events: number; readonly digests: number } {
    return { events: this.eventCount, digests: this.digestCount };
  }

  /**
   * Execution stopped here, and a replay will know the place again: a recording that ends here has a digest of its end.
   */
  get isAtKnownPlace(): boolean {
    return this.pause !== undefined;
  }

  /** Resolves when all that happened so far is in the file. */
  async sync(): Promise<void> {
    this.flush();
    await this.writer.drain();
  }

  get ended(): boolean {
    return this.hasEnded;
  }

  /** Something reached the machine. */
  event(stamped: LoggedEvent): void {
    if (this.hasEnded) return;
    this.pause = undefined;
    this.isUnanswered = true;
    this.eventCount++;
    this.entries.event(stamped);
    this.entered();
  }

  /** A stretch of execution ended, and nothing else has happened to the machine there yet. */
  slice(outcome: Outcome, busyMs: number): void {
    if (this.hasEnded) return;
    const { core } = this.parts;
    const { branches } = core.current;
    this.busyMs += busyMs;
    this.known.busyMs += busyMs;
    // A waiting hart is seen more than once at a place, and time may be skipped in between: a replay knows only how it
    // was at first.
    const { ticks } = core;
    const isFirst = branches !== this.stoppedBranches;
    this.stoppedBranches = branches;
    if (isFirst) this.pause = { branches, ticks };
    else if (this.pause?.ticks !== ticks) this.pause = undefined;
    // A debugger stops it in places that are no counted transfers.
    if (outcome.kind === 'debug') this.pause = undefined;
    else if (outcome.kind === 'finished') {
      this.pause = { branches, ticks };
      if (outcome.finish.kind === 'reset') this.guestResets();
    } else {
      if (isFirst && this.busyMs >= this.intervalMs) this.takeDigest();
      this.tellProgress();
    }
    if (this.congested) this.relieve();
  }

  /** A listener of a machine must not throw: this is a mistake in godwit. */
  failed(error: unknown): void {
    this.fail(new GodwitError('internal', `The recording failed: ${String(error)}`, { cause: error }));
  }

  /** Without events a replay of what is in the file could not know that none came. */
  private tellProgress(): void {
    const { core, host, progressEveryMs = PROGRESS_MS } = this.parts;
    const { known } = this;
    if (core.current.branches === known.branches) return;
    const everyMs = known.busyMs < IDLE_BUSY_MS ? progressEveryMs * IDLE_FACTOR : progressEveryMs;
    if (host.nowMs() - known.ms < everyMs) return;
    this.mark();
    this.entered();
  }

  private mark(): void {
    const { core, host } = this.parts;
    this.markedMs = host.nowMs();
    this.entries.marker(core.point, { ticks: core.ticks, epochMs: host.epochMs() });
  }

  private takeDigest(): void {
    const { core, host } = this.parts;
    const startedMs = host.nowMs();
    const { writtenPages } = this.digests;
    this.entries.digest(core.point, encodeDigest(this.digests.take()));
    this.digestCount++;
    const costMs = host.nowMs() - startedMs + writtenPages * FIRST_WRITE_MS;
    // The first ones cost more than those after them: their code is new to the host.
    const most = Math.min(DIGEST_MOST_MS, this.intervalMs * DIGEST_GROWTH);
    const fitting = Math.min(most, Math.max(DIGEST_LEAST_MS, costMs / DIGEST_SHARE));
    this.intervalMs = this.parts.digestEveryMs ?? fitting;
    this.busyMs = 0;
    this.entered();
  }

  /** The machine boots again from its images, which a replay must have, too. */
  private guestResets(): void {
    const images = this.hasImages ? undefined : this.parts.images?.();
    if (!this.hasImages && !images) {
      this.parts.onEnd?.('unknown-images');
      void this.stop('unknown-images');
      return;
    }
    this.pause = undefined;
    if (!images) return;
    this.hasImages = true;
    this.flush();
    this.writer.append(IMAGES, encodePlainData(imagesToPlainData(images)));
  }

  /** After every entry. */
  private entered(): void {
    const { host, core } = this.parts;
    if (host.nowMs() - this.markedMs >= MARKER_MS) this.mark();
    this.known.branches = core.current.branches;
    this.known.ms = host.nowMs();
    this.known.busyMs = 0;
    if (this.entries.length >= FLUSH_BYTES) this.flush();
    else this.cancelFlush ??= host.later(FLUSH_MS, () => this.flushInTime());
  }

  /** Those who follow the recording see what the guest made of the last event, too. */
  private flushInTime(): void {
    const { core } = this.parts;
    if (this.isUnanswered && core.current.branches !== this.known.branches) this.mark();
    this.isUnanswered = false;
    this.flush();
  }

  private flush(): void {
    this.cancelFlush?.();
    this.cancelFlush = undefined;
    if (this.entries.length === 0) return;
    this.writer.append(EVENTS, this.entries.take());
    if (this.writer.pendingBytes > CONGESTED_BYTES) this.setCongested(true);
  }

  private setCongested(congested: boolean): void {
    if (congested === this.congested) return;
    this.congested = congested;
    this.parts.onCongestion?.(congested);
    // A machine that is held up runs no slices.
    if (congested) this.parts.host.later(1, () => this.relieve());
  }

  private relieve(): void {
    if (!this.congested) return;
    if (this.writer.pendingBytes < RELIEVED_BYTES || this.hasEnded) this.setCongested(false);
    else this.parts.host.later(1, () => this.relieve());
  }

  private fail(error: GodwitError): void {
    if (!this.hasEnded) this.close();
    // What is under way may still be about to write.
    this.abandoned ??= Promise.resolve().then(() => this.abandon());
    this.parts.onFailure?.(error);
  }

  private async abandon(): Promise<void> {
    const canBegin = await this.started;
    await this.writer.abandon();
    if (!canBegin) await this.parts.sink.remove?.();
  }

  private close(): void {
    this.hasEnded = true;
    this.digests.stop();
    this.cancelFlush?.();
    this.cancelFlush = undefined;
    if (this.congested) this.setCongested(false);
  }

  /**
   * Ends the recording where the machine is now. Resolves when all is in the file, or it is known that it never will
   * be.
   */
  async stop(reason: EndReason = 'stopped'): Promise<void> {
    if (!this.hasEnded) {
      const end = this.endContent(reason);
      this.flush();
      this.close();
      // The end is the last record: pages of the start may still be on their way.
      await this.started;
      this.writer.append(END, end);
    }
    await this.started;
    if (this.abandoned === undefined) await this.writer.finish();
    await this.abandoned;
  }

  private endContent(reason: EndReason): Uint8Array {
    const { core, host } = this.parts;
    const { pause } = this;
    const isKnown = pause !== undefined && pause.branches === core.current.branches && pause.ticks === core.ticks;
    return encodePlainData(
      endToPlainData({
        reason,
        point: core.point,
        ticks: core.ticks,
        instructionsRetired: core.instructionsRetired,
        epochMs: host.epochMs(),
        digest: isKnown ? encodeDigest(this.digests.take()) : null,
      }),
    );
  }
}
