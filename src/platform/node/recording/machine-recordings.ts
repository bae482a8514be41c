import { existsSync } from 'node:fs';
import { GodwitError } from '../../../common/errors.ts';
import type { Finish } from '../../../device/finisher/test-finisher.ts';
import type { LiveOptions } from '../../../door/live.ts';
import type { MachineCore } from '../../../machine/core.ts';
import type { Images } from '../../../machine/linux.ts';
import type { EndReason } from '../../../recording/end.ts';
import { FlightRecorder, type Segment } from '../../../recording/flight-recorder.ts';
import { Recorder } from '../../../recording/recorder.ts';
import type { RecordedMachine } from '../../../recording/start.ts';
import { toolName } from '../tool.ts';
import { flightFolder, joinFlight, makeFlightFolder, removeFlightFolder, segmentPath } from './flight-files.ts';
import { nodeRecordingHost } from './node-recording-host.ts';
import { RecordingFile } from './recording-file.ts';

export interface MachineRecordingsParts {
  readonly core: MachineCore;
  readonly machine: RecordedMachine;
  /** What the machine boots from, if that is known. */
  readonly images: () => Images | undefined;
  /** A recording failed, and the machine goes on without. */
  readonly onFailure: (error: GodwitError) => void;
  /** Recording is much slower than the machine: it is to wait, or to go on. */
  readonly hold: (held: boolean) => void;
}

/** What there is of a recording. */
export interface RecordingReport {
  readonly path: string;
  readonly fileBytes: number;
  readonly arrivals: number;
  readonly digests: number;
}

interface FileSegment extends Segment {
  readonly path: string;
}

interface Flight {
  readonly path: string;
  readonly folder: string;
  readonly recorder: FlightRecorder<FileSegment>;
}

/** The recordings of one machine: any number of files, by their path, and a flight recorder. */
export class MachineRecordings {
  private readonly parts: MachineRecordingsParts;
  private readonly recorders = new Map<string, Recorder>();
  private flight: Flight | undefined;

  constructor(parts: MachineRecordingsParts) {
    this.parts = parts;
  }

  /** For the one who runs the machine. */
  readonly hooks: Required<Pick<LiveOptions, 'onArrival' | 'onSlice'>> = {
    onArrival: (stamped) => {
      for (const recorder of this.recorders.values()) recorder.arrival(stamped);
      this.flight?.recorder.arrival(stamped);
    },
    onSlice: (outcome, busyMs) => {
      for (const recorder of this.recorders.values()) recorder.slice(outcome, busyMs);
      this.flight?.recorder.slice(outcome, busyMs);
    },
  };

  /** Why what a debugger writes would be missing in a recording; undefined: nothing is recorded. */
  get debuggersMayNotWrite(): string | undefined {
    const records = this.recorders.size > 0 || this.flight !== undefined;
    return records ? 'The machine is being recorded: a replay could not know what a debugger changed.' : undefined;
  }

  /** Records from where the machine is now. `replace`: a file of that name is replaced. Throws GodwitError. */
  async start(path: string, { replace = false } = {}): Promise<void> {
    if (this.recorders.has(path)) throw new GodwitError('state', `${path} is being recorded already.`);
    const sink = await RecordingFile.create(path, { replace });
    this.recorders.set(
      path,
      this.makeRecorder(sink, () => this.recorders.delete(path)),
    );
  }

  private makeRecorder(sink: RecordingFile, gone: () => void): Recorder {
    const { core, machine, images, onFailure, hold } = this.parts;
    return new Recorder({
      core,
      machine,
      images: () => unlessGone(images),
      sink,
      host: nodeRecordingHost,
      tool: toolName(),
      onCongestion: hold,
      onFailure: (error) => {
        gone();
        onFailure(error);
      },
      onEnd: () => {
        gone();
        onFailure(
          new GodwitError('state', `The recording ${sink.path} ends here: what the guest boots from is not known.`),
        );
      },
    });
  }

  /** Ends a recording; without a path, the only one. */
  async stop(path?: string): Promise<RecordingReport> {
    const name = path ?? [...this.recorders.keys()][0];
    const recorder = name === undefined ? undefined : this.recorders.get(name);
    if (name === undefined || !recorder) {
      throw new GodwitError('state', path === undefined ? 'Nothing is recorded.' : `${path} is not being recorded.`);
    }
    this.recorders.delete(name);
    await recorder.stop();
    return { path: name, fileBytes: recorder.fileBytes, ...recorder.counts };
  }

  /** Keeps the last minutes, in parts beside `path`, until `close` makes one recording of them there. Throws GodwitError. */
  async startFlight(path: string, minutes: number, { replace = false } = {}): Promise<void> {
    if (this.flight) throw new GodwitError('state', 'A flight recorder is running already.');
    if (!replace && existsSync(path)) throw new GodwitError('usage', `Cannot record to ${path}: it exists already.`);
    const folder = flightFolder(path);
    await makeFlightFolder(folder);
    let number = 0;
    const first = await RecordingFile.create(segmentPath(folder, ++number));
    let next: RecordingFile | undefined = first;
    const begin = (): FileSegment => {
      const sink = next ?? RecordingFile.createLater(segmentPath(folder, ++number));
      next = undefined;
      const recorder = this.makeRecorder(sink, () => {
        this.flight = undefined;
      });
      return { recorder, path: sink.path, remove: () => sink.remove() };
    };
    const recorder = new FlightRecorder({ keepMs: minutes * 60_000, nowMs: nodeRecordingHost.nowMs, begin });
    this.flight = { path, folder, recorder };
  }

  /** Makes a recording of the last minutes while the flight recorder goes on. Throws GodwitError. */
  async saveFlight(path: string): Promise<number> {
    if (!this.flight) throw new GodwitError('state', 'There is no flight recorder.');
    const { recorder } = this.flight;
    await recorder.sync();
    return await joinFlight(
      recorder.segments.map((segment) => segment.path),
      path,
    );
  }

  /** The machine ends. `finish`: what the guest did; undefined: it was stopped. Resolves when all files are whole. */
  async close(finish: Finish | undefined): Promise<void> {
    const reason = reasonOf(finish);
    const recorders = [...this.recorders.values()];
    this.recorders.clear();
    await Promise.all(recorders.map((recorder) => recorder.stop(reason)));
    const { flight } = this;
    if (!flight) return;
    await flight.recorder.stop(reason);
    try {
      await joinFlight(
        flight.recorder.segments.map((segment) => segment.path),
        flight.path,
      );
      await flight.recorder.remove();
      await removeFlightFolder(flight.folder);
    } catch (error) {
      if (!(error instanceof GodwitError)) throw error;
      this.parts.onFailure(error);
    }
  }
}

/** Files that the machine booted from may have been removed. */
function unlessGone(images: () => Images | undefined): Images | undefined {
  try {
    return images();
  } catch (error) {
    if (error instanceof GodwitError) return undefined;
    throw error;
  }
}

function reasonOf(finish: Finish | undefined): EndReason {
  if (finish === undefined || finish.kind === 'reset') return 'stopped';
  return finish.kind === 'pass' ? 'power-off' : 'failure';
}
