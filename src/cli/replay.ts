/** `godwit replay`: a recording on this terminal. */
import { GodwitError } from '../common/errors.ts';
import { LiveFromReplay } from '../platform/node/recording/live-from-replay.ts';
import { MachineRecordings } from '../platform/node/recording/machine-recordings.ts';
import { Player, type Seek } from '../platform/node/recording/player.ts';
import { openRecording } from '../platform/node/recording/recording-file.ts';
import { ReplayDisks } from '../platform/node/recording/replay-disks.ts';
import { RawTerminal } from '../platform/node/terminal.ts';
import { DivergenceError } from '../recording/divergence.ts';
import type { Recording } from '../recording/recording.ts';
import { EXIT_FAILURE } from './errors.ts';
import { EscapeKeys } from './escape-keys.ts';
import { writeAll } from './front.ts';
import { replayForGdb } from './replay-gdb.ts';
import { type ReplayCommandOptions, refuseReplayNonsense, translationOf } from './replay-options.ts';
import { describeFacts, describeVerification, factsOf, verify } from './replay-report.ts';
import { Signals } from './signals.ts';

export const EXIT_DIVERGED = 3;

/** Plays it and gives the exit status. Throws GodwitError when there is nothing to play. */
export async function replay(file: string, options: ReplayCommandOptions): Promise<number> {
  refuseReplayNonsense(options);
  const recording = await openRecording(file);
  try {
    if (options.info) return await showFacts(recording, options.json ?? false);
    if (recording.notice !== undefined) process.stderr.write(`godwit: ${recording.notice}\n`);
    if (options.verify) return await showVerification(recording, options);
    if (options.gdb !== undefined) return await replayForGdb(recording, options);
    return await new ReplaySession(recording, options).run();
  } catch (error) {
    if (!(error instanceof DivergenceError)) throw error;
    process.stderr.write(`godwit: ${error.message}\n`);
    return EXIT_DIVERGED;
  } finally {
    recording.close();
  }
}

async function showFacts(recording: Recording, json: boolean): Promise<number> {
  const facts = factsOf(recording);
  await writeAll(process.stdout, json ? `${JSON.stringify(facts)}\n` : describeFacts(facts));
  return 0;
}

async function showVerification(recording: Recording, options: ReplayCommandOptions): Promise<number> {
  const result = await verify(recording, { translation: translationOf(options) });
  if (options.json) {
    const { divergence, ...rest } = result;
    const line = { ...rest, divergence: divergence?.divergence ?? null };
    await writeAll(process.stdout, `${JSON.stringify(line, bigintsAsText)}\n`);
  } else await writeAll(result.same ? process.stdout : process.stderr, describeVerification(result));
  return result.same ? 0 : EXIT_DIVERGED;
}

function bigintsAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

/** What is to happen when the player stops. */
type Next = 'quit' | 'live' | undefined;

/** One replay between the recording, the terminal and the signals of the process. */
class ReplaySession {
  private readonly recording: Recording;
  private readonly options: ReplayCommandOptions;
  private readonly terminal: RawTerminal | undefined;
  private readonly signals: Signals;
  private player: Player | undefined;
  private disks: ReplayDisks | undefined;
  private live: LiveFromReplay | undefined;
  private readonly escapes = new EscapeKeys();
  private next: Next;
  private readonly listener = (chunk: Buffer): void => this.typed(chunk);

  constructor(recording: Recording, options: ReplayCommandOptions) {
    this.recording = recording;
    this.options = options;
    const interactive = process.stdin.isTTY && process.stdout.isTTY;
    this.terminal = interactive ? new RawTerminal(process.stdin, process.stdout) : undefined;
    this.signals = new Signals(() => this.leave('quit'));
  }

  async run(): Promise<number> {
    const { recording, options } = this;
    if (options.live) this.disks = await ReplayDisks.open(options.disk, recording.start.disks);
    try {
      await this.openPlayer();
      this.connect();
      return await this.play();
    } finally {
      this.disconnect();
      await this.disks?.close();
    }
  }

  private async openPlayer(): Promise<void> {
    const { recording, options, disks } = this;
    this.player = await Player.open({
      recording,
      output: (bytes) => writeAll(process.stdout, bytes),
      options: {
        translation: translationOf(options),
        ...(disks && { backend: (disk: number) => disks.backend(disk) }),
      },
    });
    disks?.attach(this.player.replayer.core);
    this.player.speed = options.speed ?? (process.stdout.isTTY ? 1 : Number.POSITIVE_INFINITY);
  }

  private connect(): void {
    this.signals.listen();
    process.stdout.on('error', () => this.leave('quit'));
    if (this.terminal) {
      process.stderr.write('godwit: space pauses, + and - change the speed, l goes live, q quits.\n');
      this.terminal.enter();
    }
    if (this.terminal || this.options.live) process.stdin.on('data', this.listener);
  }

  private disconnect(): void {
    process.stdin.off('data', this.listener);
    process.stdin.pause();
    this.terminal?.restore();
    this.signals.ignore();
  }

  private async play(): Promise<number> {
    const player = this.player!;
    const { to, toBranch, toText, live } = this.options;
    const place = to ?? toBranch ?? toText;
    if (place && !(await this.seek(player, place))) return this.signals.exitCode ?? 0;
    const goesLiveHere = live && place !== undefined;
    if (!goesLiveHere && this.next === undefined) {
      const end = await player.play();
      if (end.kind === 'end' && live) this.next = 'live';
      if (end.kind === 'end' && end.stop.finish && live) {
        throw new GodwitError('usage', 'The guest has ended in the recording: there is nothing that could go live.', {
          hint: 'Go live at an earlier place: --to, --to-branch or --to-text.',
        });
      }
    }
    if (goesLiveHere || this.next === 'live') return await this.goLive(player);
    return this.signals.exitCode ?? 0;
  }

  /** False: it was called off. */
  private async seek(player: Player, place: Seek): Promise<boolean> {
    if (await player.seek(place)) return true;
    if (this.next !== undefined) return this.next === 'live';
    const names = { time: 'time', branch: 'branch count', text: 'text' } as const;
    throw new GodwitError('usage', `The recording does not come to that ${names[place.kind]}.`, {
      hint: `It is ${player.totalSeconds.toFixed(3)} s long; godwit replay --info says more.`,
    });
  }

  private async goLive(player: Player): Promise<number> {
    const disksMissing = this.recording.start.disks.length > 0 && !this.disks;
    if (disksMissing) {
      throw new GodwitError('usage', 'A machine that goes live needs its disks, which the recording does not have.', {
        hint: 'Start again with --live and a --disk for each, as it was when the recording began.',
      });
    }
    const { consolePort } = this.recording.start;
    const core = player.takeMachine();
    const recordings = await this.record(core);
    this.live = new LiveFromReplay({
      core,
      consolePort,
      disks: this.disks,
      ...(recordings && { hooks: recordings.hooks }),
      exactTwin: this.options.exactTwin ?? false,
    });
    if (this.next === 'quit') this.live.stop();
    process.stderr.write(this.forTerminal('\ngodwit: the machine is live. Ctrl-A x ends it.\n'));
    const finish = await this.live.run();
    await recordings?.close(finish);
    if (finish === undefined || finish.kind === 'pass') return this.signals.exitCode ?? finish?.code ?? 0;
    return Math.max(finish.code, EXIT_FAILURE);
  }

  /** The recording of how it goes on. */
  private async record(core: Player['replayer']['core']): Promise<MachineRecordings | undefined> {
    const { start, images } = this.recording;
    if (this.options.record === undefined) return undefined;
    const recordings = new MachineRecordings({
      core,
      machine: { memoryBytes: start.memoryBytes, disks: start.disks, consolePort: start.consolePort },
      images: () => images,
      onFailure: ({ message }) => process.stderr.write(this.forTerminal(`godwit: ${message} The machine goes on.\n`)),
      // Its thread has nobody else to wait for.
      hold: () => {},
    });
    await recordings.start(this.options.record);
    return recordings;
  }

  private forTerminal(text: string): string {
    return this.terminal?.isRaw ? text.replaceAll('\n', '\r\n') : text;
  }

  private leave(next: Exclude<Next, undefined>): void {
    this.next = next;
    this.live?.stop();
    this.player?.resume();
    this.player?.interrupt();
  }

  private typed(chunk: Uint8Array): void {
    const { live, player } = this;
    if (live) {
      for (const typed of this.terminal ? this.escapes.feed(chunk) : [{ kind: 'bytes', bytes: chunk } as const]) {
        if (typed.kind === 'bytes') live.type(typed.bytes);
        else if (typed.command === 'quit') this.leave('quit');
      }
      return;
    }
    if (!player || !this.terminal) return;
    for (const key of new TextDecoder().decode(chunk)) this.key(player, key);
  }

  private key(player: Player, key: string): void {
    switch (key) {
      case ' ':
        if (player.isPaused) this.goOn(player);
        else this.pause(player);
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
      case 'l':
        this.leave('live');
        break;
      case 'q':
      case '\x03':
      case '\x04':
        this.leave('quit');
        break;
    }
    if (player.isPaused && key !== ' ') this.showStatus(player);
  }

  private pause(player: Player): void {
    player.pause();
    this.showStatus(player);
  }

  private goOn(player: Player): void {
    process.stderr.write('\x1b7\x1b[K\x1b8');
    player.resume();
  }

  /** Behind the cursor, without moving it. */
  private showStatus(player: Player): void {
    const speed = Number.isFinite(player.speed) ? `${player.speed}x` : 'max';
    const { branches } = player.replayer.core.hart;
    const text = ` ${player.seconds.toFixed(2)} s of ${player.totalSeconds.toFixed(2)} s, branch ${branches}, ${speed}: paused `;
    process.stderr.write(`\x1b7\x1b[K\x1b[7m${text}\x1b[0m\x1b8`);
  }
}
