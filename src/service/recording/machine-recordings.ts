import type { RecordingReport } from '../../api/recording.ts';
import { GodwitError, isForeseen } from '../../common/errors.ts';
import type { Finish } from '../../device/finisher/test-finisher.ts';
import type { MachineCore } from '../../machine/core.ts';
import type { Images } from '../../machine/linux.ts';
import { platform } from '../../platform/platform.ts';
import type { EndReason } from '../../recording/end.ts';
import { FlightRecorder, type Segment } from '../../recording/flight-recorder.ts';
import { Recorder } from '../../recording/recorder.ts';
import type { RecordedMachine } from '../../recording/start.ts';
import type { LiveListener } from '../../run/listeners.ts';
import { flightFolder, joinFlight, makeFlightFolder, removeFlightFolder, segmentPath } from './flight-files.ts';
import { RecordingFile } from './recording-file.ts';
import { recordingHost } from './recording-host.ts';

export interface MachineRecordingsParts {
  readonly core: MachineCore;
  readonly machine: RecordedMachine;
  /** Of the one who runs the machine (LiveRunner). */
  readonly listen: (listener: LiveListener) => () => void;
  /** What the machine boots from, if that is known. */
  readonly images: () => Images | undefined;
  /** A recording failed, and the machine goes on without. */
  readonly onFailure: (error: GodwitError) => void;
  /** Recording is much slower than the machine: it is to wait, or to go on. */
  readonly hold: (held: boolean) => void;
}

const GOES_ON = 'The machine goes on.';

interface FileSegment extends Segment {
  readonly path: string;
}

interface Running {
  readonly recorder: Recorder;
  readonly unlisten: () => void;
}

interface Flight {
  readonly path: string;
  readonly folder: string;
  readonly recorder: FlightRecorder<FileSegment>;
  readonly unlisten: () => void;
}

/** The recordings of one machine: any number of files, by their path, and a flight recorder. */
export class MachineRecordings {
  private readonly parts: MachineRecordingsParts;
  private readonly running = new Map<string, Running>();
  private flight: Flight | undefined;
  /** Those that failed, as long as files of theirs are taken away. */
  private readonly failed: { recorder?: Recorder }[] = [];
  private closed = false;

  constructor(parts: MachineRecordingsParts) {
    this.parts = parts;
  }

  /** Why what a debugger writes would be missing in a recording; undefined: nothing is recorded. */
  get debuggersMayNotWrite(): string | undefined {
    const records = this.running.size > 0 || this.flight !== undefined;
    return records ? 'The machine is being recorded: a replay could not know what a debugger changed.' : undefined;
  }

  /** Records from where the machine is now. `replace`: a file of that name is replaced. Throws GodwitError. */
  async start(file: string, { replace = false } = {}): Promise<void> {
    const path = platform().files.absolute(file);
    if (this.running.has(path)) throw new GodwitError('state', `${path} is being recorded already.`);
    const sink = await this.unlessClosed(await RecordingFile.create(path, { replace }));
    const recorder = this.makeRecorder(sink, () => this.forget(path));
    this.running.set(path, { recorder, unlisten: this.parts.listen(recorder) });
  }

  private forget(path: string): void {
    this.running.get(path)?.unlisten();
    this.running.delete(path);
  }

  /** The machine may have ended while the file was opened. */
  private async unlessClosed(sink: RecordingFile): Promise<RecordingFile> {
    if (!this.closed) return sink;
    await sink.remove();
    throw new GodwitError('state', 'The machine has ended.');
  }

  private makeRecorder(sink: RecordingFile, gone: () => void): Recorder {
    const { core, machine, images, onFailure, hold } = this.parts;
    const late: { recorder?: Recorder } = {};
    late.recorder = new Recorder({
      core,
      machine,
      images: () => unlessGone(images),
      sink,
      host: recordingHost(),
      tool: platform().toolName,
      onCongestion: hold,
      onFailure: (error) => {
        gone();
        this.failed.push(late);
        onFailure(this.closed ? error : whileItGoesOn(error));
      },
      onEnd: () => {
        gone();
        onFailure(
          whileItGoesOn(
            new GodwitError('state', `The recording ${sink.path} ends here: what the guest boots from is not known.`),
          ),
        );
      },
    });
    return late.recorder;
  }

  /**
   * Ends a recording, or the flight recorder, which makes a recording of what it kept; without a path, the only one.
   */
  async stop(file?: string): Promise<RecordingReport> {
    const path = file === undefined ? this.onlyPath() : platform().files.absolute(file);
    if (this.flight?.path === path) return await this.stopFlight(this.flight, 'stopped');
    const recorder = this.running.get(path)?.recorder;
    if (!recorder) throw new GodwitError('state', `${path} is not being recorded.`);
    this.forget(path);
    await recorder.stop();
    return { path, fileBytes: recorder.fileBytes, ...recorder.counts };
  }

  private onlyPath(): string {
    const paths = [...this.running.keys(), ...(this.flight ? [this.flight.path] : [])];
    const [only] = paths;
    if (only === undefined) throw new GodwitError('state', 'Nothing is recorded.');
    if (paths.length === 1) return only;
    throw new GodwitError('usage', `${paths.length} recordings are being made: name the one that is to end.`, {
      hint: `They are ${paths.join(', ')}.`,
    });
  }

  /**
   * Keeps the last minutes, in parts beside `file`, until `stop` or `close` makes one recording of them there. Throws
   * GodwitError.
   */
  async startFlight(file: string, minutes: number, { replace = false } = {}): Promise<void> {
    const { files } = platform();
    const path = files.absolute(file);
    if (this.flight) throw new GodwitError('state', 'A flight recorder is running already.');
    if (!replace && (await files.look(path)))
      throw new GodwitError('usage', `Cannot record to ${path}: it exists already.`);
    const folder = flightFolder(path);
    await makeFlightFolder(folder);
    let number = 0;
    const first = await this.unlessClosed(await RecordingFile.create(segmentPath(folder, ++number)));
    let next: RecordingFile | undefined = first;
    const begin = (): FileSegment => {
      const sink = next ?? RecordingFile.createLater(segmentPath(folder, ++number));
      next = undefined;
      const recorder = this.makeRecorder(sink, () => this.forgetFlight());
      return { recorder, path: sink.path, remove: () => sink.remove() };
    };
    const recorder = new FlightRecorder({ keepMs: minutes * 60_000, nowMs: recordingHost().nowMs, begin });
    this.flight = { path, folder, recorder, unlisten: this.parts.listen(recorder) };
  }

  private forgetFlight(): void {
    this.flight?.unlisten();
    this.flight = undefined;
  }

  /**
   * Makes a recording of the last minutes while the flight recorder goes on. Its own file, which it would write at the
   * end, is replaced; others only when `replace` says so. Throws GodwitError.
   */
  async saveFlight(file: string, { replace = false } = {}): Promise<number> {
    const path = platform().files.absolute(file);
    const { flight } = this;
    if (!flight) throw new GodwitError('state', 'There is no flight recorder.');
    await flight.recorder.sync();
    return await joinFlight(pathsOf(flight), path, { replace: replace || path === flight.path });
  }

  private async stopFlight(flight: Flight, reason: EndReason): Promise<RecordingReport> {
    this.forgetFlight();
    const { path, folder, recorder } = flight;
    await recorder.stop(reason);
    const counts = recorder.segments.map((segment) => segment.recorder.counts);
    const fileBytes = await joinFlight(pathsOf(flight), path, { replace: true });
    await recorder.remove();
    await removeFlightFolder(folder);
    const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
    return {
      path,
      fileBytes,
      events: sum(counts.map(({ events }) => events)),
      digests: sum(counts.map(({ digests }) => digests)),
    };
  }

  /** The machine ends. `finish`: what the guest did; undefined: it was stopped. Resolves when all files are whole. */
  async close(finish: Finish | undefined): Promise<void> {
    this.closed = true;
    const reason = reasonOf(finish);
    const recorders = [...this.running.values()];
    this.running.clear();
    await Promise.all(recorders.map(({ recorder }) => recorder.stop(reason)));
    await Promise.all(this.failed.map(({ recorder }) => recorder?.stop()));
    try {
      if (this.flight) await this.stopFlight(this.flight, reason);
    } catch (error) {
      if (!isForeseen(error)) throw error;
      this.parts.onFailure(error);
    }
  }
}

function whileItGoesOn({ code, message, hint, cause }: GodwitError): GodwitError {
  return new GodwitError(code, message, { hint: hint === undefined ? GOES_ON : `${GOES_ON} ${hint}`, cause });
}

function pathsOf({ recorder }: Flight): string[] {
  return recorder.segments.map((segment) => segment.path);
}

/** Files that the machine booted from may have been removed. */
function unlessGone(images: () => Images | undefined): Images | undefined {
  try {
    return images();
  } catch (error) {
    if (isForeseen(error)) return undefined;
    throw error;
  }
}

function reasonOf(finish: Finish | undefined): EndReason {
  if (finish === undefined || finish.kind === 'reset') return 'stopped';
  return finish.kind === 'pass' ? 'power-off' : 'failure';
}
