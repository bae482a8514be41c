import { GodwitError } from '../../common/errors.ts';
import {
  anyText,
  anything,
  callback,
  choice,
  flag,
  instanceOf,
  number,
  object,
  optional,
  type Schema,
  variants,
  wholeBigint,
  withMethods,
} from '../../common/schema.ts';
import { TIMEBASE_HZ } from '../../machine/boot/memory-map.ts';
import type { MachineCore } from '../../machine/core.ts';
import type { ExecutionPoint } from '../../machine/execution-point.ts';
import { platform } from '../../platform/platform.ts';
import { Recording } from '../../recording/recording.ts';
import { Replayer, type ReplayOptions, type ReplayStop } from '../../recording/replayer.ts';
import type { FollowedRecording } from '../recording/followed-recording.ts';

/** A place in a recording, as people name it. */
export type Seek =
  | { readonly kind: 'time'; readonly seconds: number }
  | { readonly kind: 'branch'; readonly branches: bigint }
  /** The first time that the console has shown this; `again`: the first time from here on. */
  | { readonly kind: 'text'; readonly text: string; readonly again?: boolean };

/** Why nothing is played any more. */
export type PlayerEnd =
  /** The recording ends here. */
  | { readonly kind: 'end'; readonly stop: Extract<ReplayStop, { kind: 'end' }> }
  /** `interrupt` was called. */
  | { readonly kind: 'interrupted' };

/** What a player is made of. */
export interface PlayerParts {
  /** Must stay open. */
  readonly recording: Recording;
  /** For a recording that is still being made: what is shown goes on as it grows, until it has ended. */
  readonly followed?: Pick<FollowedRecording, 'refresh'> | undefined;
  /** What the console shows, in order. The replay waits for it. */
  readonly output: (bytes: Uint8Array) => Promise<void>;
  /** @internal Of the machine that replays. None of them changes what is shown. */
  readonly options?: Omit<ReplayOptions, 'output'>;
}

/** More than any recording lasts. */
const LONGEST_SECONDS = 1e12;

const SEEK: Schema<Seek> = variants('kind', {
  time: object({ kind: choice('time'), seconds: number(0, LONGEST_SECONDS) }),
  branch: object({ kind: choice('branch'), branches: wholeBigint(0n) }),
  text: object({ kind: choice('text'), text: anyText(), again: optional(flag()) }),
});

const PARTS: Schema<PlayerParts> = object({
  recording: instanceOf(Recording, 'a recording that is open'),
  followed: optional(withMethods<Pick<FollowedRecording, 'refresh'>>('a recording that is followed', 'refresh')),
  output: callback<PlayerParts['output']>(),
  options: optional(anything() as Schema<NonNullable<PlayerParts['options']>>),
});

const SPEED = number(Number.MIN_VALUE, Number.POSITIVE_INFINITY);

const TICKS_PER_MS = TIMEBASE_HZ / 1000;
/** Times are told to people with so much less than they have: what is told of the end is the end. */
const TOLD_TICKS = BigInt(TICKS_PER_MS);
const SLICE_MS = 5;
const FIRST_SLICE = 50_000;
/** Slices while looking for a time or a text: no guest prints much in that. */
const LONGEST_SLICE = 4_000_000;
/** How often a replay that is ahead of the clock looks at it. */
const PACE_MS = 8;
/** A replay that is further behind the clock than that does not hurry to make it up. */
const PATIENCE_MS = 100;
/** How often one that has come to the end of a growing recording looks for more. */
const FOLLOW_MS = 50;

/**
 * Plays a recording: shows its console, as quickly as it was or otherwise, with pauses, and goes to places in it. It
 * goes forth only; for an earlier place another player begins at the beginning.
 */
export class Player {
  /** @internal */
  readonly replayer: Replayer;
  private readonly parts: PlayerParts;
  private readonly shown = new ShownText();
  private readonly printed: Uint8Array[] = [];
  private isLive = false;
  private sliceBranches = FIRST_SLICE;
  private speedNow = 1;
  private paused = false;
  private interrupted = false;
  private wake: (() => void) | undefined;
  private textFrom = 0n;
  /** Guest time `ticks` is shown at `ms` of the host. */
  private origin = { ms: 0, ticks: 0 };

  /**
   * A player at the beginning of a recording, which must stay open. Throws GodwitError: 'unsupported' for a machine of
   * another version, 'damaged', 'limit' when there is no memory for it.
   */
  static async open(given: PlayerParts): Promise<Player> {
    const parts = PARTS.parse(given, 'parts');
    if (parts.recording.isGrowing && !parts.followed) {
      throw new GodwitError('usage', `${parts.recording.source.name} is still being recorded: it has to be followed.`);
    }
    const printed: { add: (bytes: Uint8Array) => void } = { add: () => {} };
    const port = parts.recording.start.consolePort;
    const replayer = await Replayer.open(parts.recording, {
      ...parts.options,
      output: (from, bytes) => {
        if (from === port) printed.add(new Uint8Array(bytes));
      },
    });
    const player = new Player(parts, replayer);
    printed.add = (bytes) => player.print(bytes);
    return player;
  }

  private constructor(parts: PlayerParts, replayer: Replayer) {
    this.parts = parts;
    this.replayer = replayer;
  }

  private print(bytes: Uint8Array): void {
    if (this.isLive) void this.parts.output(bytes);
    else this.printed.push(bytes);
  }

  /**
   * @internal The machine as it is now, for others to go on with; its output goes where the player's went. Nothing is
   * played any more.
   */
  takeMachine(): MachineCore {
    this.isLive = true;
    return this.replayer.detach();
  }

  /** Gives the machine's memory back. Nothing is played any more. */
  close(): void {
    this.replayer.detach().dispose();
  }

  /** Where the machine is. */
  get point(): ExecutionPoint {
    return this.replayer.core.point;
  }

  /** How many digests of the recording were found right so far; there are `recording.digests.length`. */
  get checkedDigests(): number {
    return this.replayer.checkedDigests;
  }

  /** Guest time since the beginning of the recording, in seconds. */
  get seconds(): number {
    return Number(this.replayer.core.ticks - this.parts.recording.start.ticks) / TIMEBASE_HZ;
  }

  /** How long the recording is, in seconds of guest time. */
  get totalSeconds(): number {
    const { recording } = this.parts;
    return Number(recording.endTicks - recording.start.ticks) / TIMEBASE_HZ;
  }

  /** Times as quick as it was; Infinity: as quick as can be. */
  get speed(): number {
    return this.speedNow;
  }

  set speed(speed: number) {
    this.speedNow = SPEED.parse(speed, 'speed');
    this.rebase();
  }

  /** `play` waits for `resume`. */
  get isPaused(): boolean {
    return this.paused;
  }

  /** Holds what is played where it is. */
  pause(): void {
    this.paused = true;
  }

  /** Lets it go on. */
  resume(): void {
    this.paused = false;
    this.rebase();
    this.wake?.();
  }

  /** `play` or `seek` resolves soon. */
  interrupt(): void {
    this.interrupted = true;
    this.wake?.();
  }

  private rebase(): void {
    this.origin = { ms: platform().clock.nowMs(), ticks: Number(this.replayer.core.ticks) };
  }

  /** Shows everything from here on, until the end or `interrupt`. Throws DivergenceError. */
  async play(): Promise<PlayerEnd> {
    this.interrupted = false;
    this.rebase();
    while (!this.interrupted) {
      if (this.paused) {
        await this.sleep(undefined);
        continue;
      }
      const due = this.dueTicks();
      const stop = await this.slice(due);
      if (stop.kind === 'end') return { kind: 'end', stop };
      if (stop.kind === 'starved') await this.awaitMore();
      else if (due !== undefined && this.isAhead(due)) await this.sleep(PACE_MS);
    }
    return { kind: 'interrupted' };
  }

  /** Guest time that the clock has come to. Undefined: there is no clock. */
  private dueTicks(): bigint | undefined {
    if (this.speedNow === Number.POSITIVE_INFINITY) return undefined;
    const now = platform().clock.nowMs();
    const due = this.origin.ticks + (now - this.origin.ms) * TICKS_PER_MS * this.speedNow;
    const here = Number(this.replayer.core.ticks);
    if (due - here > PATIENCE_MS * TICKS_PER_MS * this.speedNow && !this.replayer.core.waiting) this.rebase();
    return BigInt(Math.floor(due));
  }

  private isAhead(due: bigint): boolean {
    const { core } = this.replayer;
    return core.ticks >= due || core.waiting;
  }

  /** Whether the guest has ended here: there is nothing that could go on. */
  get guestHasEnded(): boolean {
    return this.replayer.guestHasEnded;
  }

  /** The text that was sought last was shown after this branch count. */
  get textAfterBranches(): bigint {
    return this.textFrom;
  }

  /**
   * Goes to a place as quickly as can be; what is printed on the way is shown. False: it is not in the recording.
   * `widthBranches`: a text is found that exactly, when it is to be more exact than quick.
   */
  async seek(place: Seek, widthBranches?: number): Promise<boolean> {
    SEEK.parse(place, 'place');
    this.interrupted = false;
    if (place.kind === 'text' && place.again) this.shown.clear();
    if (this.isOutside(place)) return false;
    const until = place.kind === 'time' ? this.ticksAt(place.seconds) : undefined;
    const { core } = this.replayer;
    while (!this.interrupted) {
      if (this.isAt(place, until)) return true;
      this.textFrom = core.current.branches;
      if (widthBranches !== undefined) this.sliceBranches = widthBranches;
      const stop = await this.slice(until, until === undefined ? branchesOf(place) : core.branchesAt(until));
      // Of what lies before the end nothing is left.
      if (stop.kind === 'end') return place.kind !== 'text' || this.isAt(place, until);
      if (stop.kind === 'starved') await this.awaitMore();
      else if (until !== undefined && core.waiting) return true;
    }
    return false;
  }

  /** At the end of what there is of a growing recording. */
  private async awaitMore(): Promise<void> {
    if (await this.parts.followed!.refresh()) return;
    await this.sleep(FOLLOW_MS);
    this.rebase();
  }

  /** Known without going there. What a recording that grows will hold, nobody knows. */
  private isOutside(place: Seek): boolean {
    const { start, isGrowing, endTicks, endPoint } = this.parts.recording;
    if (place.kind === 'branch' && place.branches < start.point.branches) return true;
    if (isGrowing) return false;
    if (place.kind === 'time') return this.ticksAt(place.seconds) >= endTicks + TOLD_TICKS;
    return place.kind === 'branch' && place.branches > endPoint.branches;
  }

  /** The place is behind, and this player goes forth only: another is to begin at the beginning. */
  isBehind(place: Seek): boolean {
    SEEK.parse(place, 'place');
    const { core } = this.replayer;
    if (place.kind === 'time') return this.ticksAt(place.seconds) < core.ticks;
    return place.kind === 'branch' && place.branches < core.current.branches;
  }

  private ticksAt(seconds: number): bigint {
    return this.parts.recording.start.ticks + BigInt(Math.round(seconds * TIMEBASE_HZ));
  }

  private isAt(place: Seek, until: bigint | undefined): boolean {
    const { core } = this.replayer;
    if (place.kind === 'branch') return core.current.branches >= place.branches;
    if (place.kind === 'text') return this.shown.has(place.text);
    return core.ticks >= until!;
  }

  private async slice(untilTicks: bigint | undefined, branches?: bigint): Promise<ReplayStop> {
    const { replayer } = this;
    const { clock, timers } = platform();
    const startedMs = clock.nowMs();
    const end = replayer.core.current.branches + BigInt(this.sliceBranches);
    const stop = replayer.run(branches !== undefined && branches < end ? branches : end, untilTicks);
    const ms = Math.max(clock.nowMs() - startedMs, 0.05);
    const factor = Math.min(2, Math.max(0.25, SLICE_MS / ms));
    this.sliceBranches = Math.round(Math.min(LONGEST_SLICE, Math.max(FIRST_SLICE / 10, this.sliceBranches * factor)));
    await this.show();
    await timers.turn();
    return stop;
  }

  private async show(): Promise<void> {
    const { printed } = this;
    if (printed.length === 0) return;
    const bytes = joined(printed.splice(0));
    this.shown.add(bytes);
    await this.parts.output(bytes);
  }

  /** Undefined: until it is woken. */
  private async sleep(ms: number | undefined): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    await (ms === undefined ? woken : Promise.race([platform().timers.sleep(ms), woken]));
  }
}

function branchesOf(place: Seek): bigint | undefined {
  return place.kind === 'branch' ? place.branches : undefined;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

const KEPT_CHARACTERS = 1024 ** 2;

/** What the console showed, as text; the last of it. */
class ShownText {
  private text = '';
  private readonly decoder = new TextDecoder();

  add(bytes: Uint8Array): void {
    this.text += this.decoder.decode(bytes, { stream: true });
    if (this.text.length > 2 * KEPT_CHARACTERS) this.text = this.text.slice(-KEPT_CHARACTERS);
  }

  clear(): void {
    this.text = '';
  }

  has(text: string): boolean {
    return this.text.includes(text);
  }
}
