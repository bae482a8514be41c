/** A recording on this terminal: shown, gone through, kept, taken up to go on from there. */
import { resolve } from 'node:path';
import { formatByteSize } from '../api/index.ts';
import { GodwitError, isForeseen } from '../common/errors.ts';
import type { Recording } from '../recording/recording.ts';
import type { FollowedRecording } from '../service/recording/followed-recording.ts';
import { Player, type Seek } from '../service/replay/player.ts';
import { ReplayCheckpointer } from '../service/replay/replay-checkpointer.ts';
import { ReplayDisks } from '../service/replay/replay-disks.ts';
import { EscapeKeys } from './escape-keys.ts';
import { OutputClosed, writeAll } from './output.ts';
import { ESCAPE_KEY, LEFT, type ReplayKey, ReplayKeys, RIGHT } from './replay-keys.ts';
import { ReplayLive } from './replay-live.ts';
import { placeOf, type ReplayCommandOptions, translationOf } from './replay-options.ts';
import { PlacePrompt } from './replay-prompt.ts';
import { describeExtent } from './replay-report.ts';
import { Signals } from './signals.ts';
import { RawTerminal } from './terminal.ts';

/** What a person wants, to be done where the player stops. */
type Request =
  | { readonly kind: 'quit' }
  | { readonly kind: 'live' }
  | { readonly kind: 'keep' }
  | { readonly kind: 'seek'; readonly place: Seek };

/** The arrow keys go so far. */
const STRIDE_SECONDS = 10;
/** A text is found in stretches of so many branches, then in stretches of these, and so on, down to one. */
const FINEST_PARTS = 256n;
/** Keys that were typed before the program ran have been read after so many turns. */
const DEAF_TURNS = 3;
const SAVE_CURSOR = '\x1b7';
const RESTORE_CURSOR = '\x1b8';
const ERASE_REST = '\x1b[K';
const CLEAR_SCREEN = '\x1b[2J\x1b[H';

export class ReplaySession {
  private readonly recording: Recording;
  private readonly options: ReplayCommandOptions;
  private readonly followed: FollowedRecording | undefined;
  private readonly terminal: RawTerminal | undefined;
  private readonly signals: Signals;
  private readonly keys = new ReplayKeys();
  private readonly escapes = new EscapeKeys();
  private player: Player | undefined;
  private disks: ReplayDisks | undefined;
  private checkpointer: ReplayCheckpointer | undefined;
  private live: ReplayLive | undefined;
  private prompt: PlacePrompt | undefined;
  private request: Request | undefined;
  /** What was typed on the way to a place that the user has asked for: obeyed there. Undefined: keys are obeyed. */
  private ahead: Uint8Array[] | undefined;
  /** What was typed for a machine that is not live yet. Undefined: what is typed is for the replay. */
  private forGuest: Uint8Array[] | undefined;
  /** What is shown has been shown before. */
  private isMuted = false;
  /** Nobody can see a machine that is live. */
  private outputFailure: unknown;
  private readonly listener = (chunk: Buffer): void => this.typed(chunk);

  constructor(recording: Recording, options: ReplayCommandOptions, followed?: FollowedRecording) {
    this.recording = recording;
    this.options = options;
    this.followed = followed;
    const interactive = process.stdin.isTTY && process.stdout.isTTY;
    this.terminal = interactive ? new RawTerminal(process.stdin, process.stdout) : undefined;
    this.signals = new Signals(() => this.want({ kind: 'quit' }));
    if (options.live) this.forGuest = [];
    else if (placeOf(options)) this.ahead = [];
  }

  /** Gives the exit status. */
  async run(): Promise<number> {
    try {
      await this.openPlayer();
      await this.connect();
      const status = await this.play();
      if (this.outputFailure !== undefined) throw this.outputFailure;
      return this.signals.exitCode ?? status;
    } finally {
      this.disconnect();
      await this.disks?.close();
    }
  }

  private async openPlayer(): Promise<Player> {
    const { recording, options } = this;
    const needsDisks = options.live || options.checkpoint !== undefined || options.disk.length > 0;
    this.disks = needsDisks ? await ReplayDisks.open(options.disk, recording.start.disks) : undefined;
    const { disks } = this;
    const player = await Player.open({
      recording,
      followed: this.followed,
      output: (bytes) => this.show(bytes),
      options: {
        // For checkpoints, which other threads write.
        shared: true,
        translation: translationOf(options),
        ...(disks && { backend: (disk: number) => disks.backend(disk) }),
      },
    });
    disks?.attach(player.replayer.core);
    const speed = process.stdout.isTTY && !options.follow ? 1 : Number.POSITIVE_INFINITY;
    player.speed = options.speed ?? speed;
    this.player = player;
    return player;
  }

  /** Throws GodwitError when it cannot be shown; a machine that is live ends then. */
  private async show(bytes: Uint8Array): Promise<void> {
    if (this.isMuted) return;
    try {
      await writeAll(process.stdout, bytes);
    } catch (error) {
      if (!this.live) throw error;
      this.outputFailure ??= error instanceof OutputClosed ? undefined : error;
      this.live.stop();
    }
  }

  private async connect(): Promise<void> {
    this.signals.listen();
    if (this.terminal) await this.connectTerminal(this.terminal);
    else if (this.options.live) process.stdin.on('data', this.listener);
  }

  /** Keys that were typed before are for whatever ran before, not for a replay that nobody saw yet. */
  private async connectTerminal(terminal: RawTerminal): Promise<void> {
    if (this.options.live) {
      this.say('godwit: what is typed is for the machine, as soon as it is live; Ctrl-A x quits.\n');
      terminal.enter();
      process.stdin.on('data', this.listener);
      return;
    }
    const deaf = (): void => {};
    terminal.enter();
    process.stdin.on('data', deaf);
    for (let turn = 0; turn < DEAF_TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
    process.stdin.on('data', this.listener);
    process.stdin.off('data', deaf);
    this.say('godwit: space pauses, + and - change the speed, g goes to a place, c keeps it, l goes live, q quits.\n');
  }

  private disconnect(): void {
    process.stdin.off('data', this.listener);
    process.stdin.pause();
    this.terminal?.restore();
    this.signals.ignore();
  }

  private say(text: string): void {
    process.stderr.write(this.terminal?.isRaw ? text.replaceAll('\n', '\r\n') : text);
  }

  private async play(): Promise<number> {
    const { live, checkpoint } = this.options;
    const place = placeOf(this.options);
    if (place && !(await this.seek(place))) return 0;
    this.obeyAhead();
    if (place === undefined && (checkpoint !== undefined || live)) {
      // To its end.
      await this.player!.play();
    }
    if (checkpoint !== undefined && this.request === undefined) await this.keep(checkpoint);
    if (live) this.request ??= { kind: 'live' };
    else if (checkpoint !== undefined) return 0;
    return await this.obeyRequests();
  }

  /** Until the end of the recording, or of the user's interest. */
  private async obeyRequests(): Promise<number> {
    for (;;) {
      const { request } = this;
      this.request = undefined;
      if (request === undefined) {
        const end = await this.player!.play();
        if (end.kind === 'end') return 0;
      } else if (request.kind === 'quit') return 0;
      else if (request.kind === 'live') return await this.goLive();
      else if (request.kind === 'seek') await this.obeySeek(request.place);
      else await this.obeyKeep();
    }
  }

  private refuseEnded(): void {
    if (!this.player!.guestHasEnded) return;
    throw new GodwitError('usage', 'The guest has ended in the recording: there is nothing that could go on.', {
      hint: 'Name an earlier place: --to, --to-branch or --to-text.',
    });
  }

  /** False: it was called off. Throws GodwitError when there is no such place. */
  private async seek(place: Seek): Promise<boolean> {
    if (await this.player!.seek(place)) {
      const goesOn = this.options.live || this.options.checkpoint !== undefined;
      if (place.kind === 'text' && goesOn && this.player!.guestHasEnded) await this.seekTextExactly(place);
      return true;
    }
    if (this.request !== undefined) return this.request.kind !== 'quit';
    throw this.noPlace(place);
  }

  /** The guest has ended in the stretch in which it showed a text: to where it had just shown it. */
  private async seekTextExactly(place: Extract<Seek, { kind: 'text' }>): Promise<void> {
    this.isMuted = true;
    let widthBranches = 0n;
    do {
      const { textAfterBranches, point } = this.player!;
      widthBranches = (point.branches - textAfterBranches) / FINEST_PARTS + 1n;
      await this.beginAgain();
      await this.player!.seek({ kind: 'branch', branches: textAfterBranches });
      await this.player!.seek(place, Number(widthBranches));
    } while (widthBranches > 1n && this.player!.guestHasEnded && this.request === undefined);
    this.isMuted = false;
  }

  private noPlace(place: Seek): GodwitError {
    const names = { time: 'time', branch: 'branch count', text: 'text' } as const;
    return new GodwitError('usage', `The recording does not come to that ${names[place.kind]}.`, {
      hint: describeExtent(this.recording),
    });
  }

  /** While it is shown. A place that does not exist changes nothing. */
  private async obeySeek(place: Seek): Promise<void> {
    const before = this.player!;
    const { branches } = before.replayer.core.current;
    if (before.isBehind(place)) await this.showAgain();
    const found = await this.player!.seek(place);
    if (!found && this.request === undefined) {
      const back: Seek = { kind: 'branch', branches };
      if (this.player!.isBehind(back)) await this.showAgain();
      await this.player!.seek(back);
    }
    this.player!.speed = before.speed;
    if (before.isPaused) this.player!.pause();
    if (!found && this.request === undefined) this.status(this.noPlace(place).message);
    else if (before.isPaused) this.showStatus();
  }

  private async showAgain(): Promise<void> {
    await writeAll(process.stdout, CLEAR_SCREEN);
    await this.beginAgain();
  }

  private async beginAgain(): Promise<void> {
    this.player!.takeMachine().dispose();
    await this.disks?.close();
    this.checkpointer = undefined;
    await this.openPlayer();
  }

  private async obeyKeep(): Promise<void> {
    try {
      await this.keep(undefined);
    } catch (error) {
      if (!isForeseen(error)) throw error;
      this.status(error.message);
    }
  }

  private async keep(name: string | undefined): Promise<void> {
    this.refuseEnded();
    this.requireDisks();
    const { recording, disks } = this;
    this.checkpointer ??= new ReplayCheckpointer({ core: this.player!.replayer.core, recording, disks });
    const { store } = this.options;
    const report = await this.checkpointer.keep({
      ...(name === undefined ? {} : { name }),
      ...(store === undefined ? {} : { store: resolve(store) }),
    });
    const text = `${report.name} (${report.id.slice(0, 8)}): ${formatByteSize(report.fileBytes)} of memory.`;
    if (this.terminal?.isRaw) this.status(text);
    else this.say(`godwit: ${text}\n`);
  }

  private requireDisks(): void {
    if (this.recording.start.disks.length === 0 || this.disks) return;
    throw new GodwitError('usage', 'A machine that goes on needs its disks, which the recording does not have.', {
      hint: 'Start again with a --disk for each, as it was when the recording began.',
    });
  }

  private async goLive(): Promise<number> {
    this.refuseEnded();
    this.requireDisks();
    const { recording, disks, options } = this;
    const live = await ReplayLive.open({
      player: this.player!,
      recording,
      disks,
      options,
      say: (text) => this.say(text),
    });
    this.live = live;
    // A signal may have come meanwhile.
    if (this.signals.exitCode !== undefined) live.stop();
    this.say('\ngodwit: the machine is live. Ctrl-A x ends it.\n');
    for (const chunk of this.forGuest?.splice(0) ?? []) live.type(chunk);
    return await live.run();
  }

  private want(request: Request): void {
    this.request = request;
    if (request.kind === 'quit') {
      this.live?.stop();
      this.checkpointer?.cancel();
    }
    this.player?.interrupt();
  }

  private typed(chunk: Uint8Array): void {
    if (this.live || this.forGuest) this.typeForGuest(chunk);
    else if (this.ahead && !isQuit(chunk)) this.ahead.push(chunk);
    else for (const key of this.keys.feed(chunk)) this.key(key);
  }

  /** At the place that the user has asked for. */
  private obeyAhead(): void {
    const { ahead } = this;
    this.ahead = undefined;
    for (const chunk of ahead ?? []) this.typed(chunk);
  }

  /** Before the machine is live it waits for it. */
  private typeForGuest(chunk: Uint8Array): void {
    for (const typed of this.terminal ? this.escapes.feed(chunk) : [{ kind: 'bytes', bytes: chunk } as const]) {
      if (typed.kind === 'command') {
        if (typed.command === 'quit') this.want({ kind: 'quit' });
      } else if (this.live) this.live.type(typed.bytes);
      else this.forGuest?.push(typed.bytes);
    }
  }

  private key(key: ReplayKey): void {
    const player = this.player!;
    if (this.forGuest) {
      // Typed at once with the key that goes live.
      this.forGuest.push(new TextEncoder().encode(key));
      return;
    }
    if (this.prompt) {
      this.answer(this.prompt, key);
      return;
    }
    switch (key) {
      case ' ':
        if (player.isPaused) {
          this.clearStatus();
          player.resume();
          return;
        }
        player.pause();
        break;
      case '+':
      case '=':
        player.speed *= 2;
        break;
      case '-':
        player.speed = Number.isFinite(player.speed) ? player.speed / 2 : 1;
        break;
      case '0':
        player.speed = 1;
        break;
      case 'm':
        player.speed = Number.POSITIVE_INFINITY;
        break;
      case LEFT:
      case RIGHT:
        this.stride(player, key === LEFT ? -STRIDE_SECONDS : STRIDE_SECONDS);
        return;
      case 'g':
        this.prompt = new PlacePrompt();
        this.status(this.prompt.text);
        return;
      case 'c':
        this.want({ kind: 'keep' });
        return;
      case 'l':
        this.forGuest = [];
        this.want({ kind: 'live' });
        return;
      case 'q':
      case '\x03':
      case '\x04':
        this.want({ kind: 'quit' });
        return;
      default:
        return;
    }
    if (player.isPaused) this.showStatus();
  }

  private stride(player: Player, seconds: number): void {
    const place: Seek = { kind: 'time', seconds: Math.max(0, player.seconds + seconds) };
    this.want({ kind: 'seek', place });
  }

  private answer(prompt: PlacePrompt, key: ReplayKey): void {
    const answer = key === ESCAPE_KEY ? { kind: 'cancelled' as const } : prompt.key(key);
    if (answer.kind === 'more') {
      this.status(prompt.text);
      return;
    }
    this.prompt = undefined;
    this.clearStatus();
    if (answer.kind === 'place') this.want({ kind: 'seek', place: answer.place });
    else if (answer.kind === 'nonsense') this.status(answer.message);
    else if (this.player!.isPaused) this.showStatus();
  }

  private showStatus(): void {
    const player = this.player!;
    const speed = Number.isFinite(player.speed) ? `${player.speed}x` : 'max';
    const { branches } = player.replayer.core.current;
    const { seconds, totalSeconds } = player;
    this.status(`${seconds.toFixed(2)} s of ${totalSeconds.toFixed(2)} s, branch ${branches}, ${speed}: paused`);
  }

  /** Behind the cursor, without moving it. */
  private status(text: string): void {
    process.stderr.write(`${SAVE_CURSOR}${ERASE_REST}\x1b[7m ${text} \x1b[0m${RESTORE_CURSOR}`);
  }

  private clearStatus(): void {
    process.stderr.write(`${SAVE_CURSOR}${ERASE_REST}${RESTORE_CURSOR}`);
  }
}

/** Ctrl-C, Ctrl-D or q alone, which need not wait for a place. */
function isQuit(chunk: Uint8Array): boolean {
  return chunk.length === 1 && ['\x03', '\x04', 'q'].includes(String.fromCharCode(chunk[0]!));
}
