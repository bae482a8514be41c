/** What can be asked about recordings of a machine. */
import { flag, object, optional, positiveNumber, type Schema, text } from '../common/schema.ts';

/** How `MachineHandle.record` records. */
export interface RecordOptions {
  /** The file that is written. */
  readonly path: string;
  /** A file of that name is replaced; else that is an error. Default false. */
  readonly replace?: boolean;
  /**
   * Keep only the last so many minutes: they become a recording at `path` when the machine ends, or by `saveFlight`.
   * Until then they are in a folder beside it, named `path` with ".flight".
   */
  readonly lastMinutes?: number;
}

export const RECORD_OPTIONS: Schema<RecordOptions> = object({
  path: text(),
  replace: optional(flag()),
  lastMinutes: optional(positiveNumber()),
});

/** Where the flight recorder's recording goes. */
export interface SaveFlightOptions {
  /** The file that is written. */
  readonly path: string;
  /** A file of that name is replaced; else that is an error, unless it is the flight recorder's own. Default false. */
  readonly replace?: boolean;
}

const SAVE_FLIGHT_FIELDS = { replace: optional(flag()) };

export const SAVE_FLIGHT_OPTIONS: Schema<SaveFlightOptions> = object({ path: text(), ...SAVE_FLIGHT_FIELDS });

/** Where the path is a parameter of its own. */
export const SAVE_FLIGHT_MORE: Schema<Omit<SaveFlightOptions, 'path'>> = object(SAVE_FLIGHT_FIELDS);

/** A recording that was ended. */
export interface RecordingReport {
  /** The file that was written, absolute. */
  readonly path: string;
  /** Its size. */
  readonly fileBytes: number;
  /** What reached the machine from outside: input, answers of disks, corrections of its clock. */
  readonly events: number;
  /** How often the machine's state was noted for replays to compare. */
  readonly digests: number;
}
