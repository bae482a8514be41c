/** The library's surface that is the same on all platforms. */

export { formatByteSize, parseByteSize } from '../common/byte-size.ts';
export { type ErrorCode, GodwitError } from '../common/errors.ts';
export type { MachineEnd } from './actions.ts';
export type { MachineConsole, WaitOptions } from './console.ts';
export type { DebugOptions } from './debug.ts';
export { type MachineEvents, MachineHandle, type MachineStatus } from './machine.ts';
export type {
  ConsolePort,
  DiskOptions,
  EngineName,
  ImageSource,
  MachineOptions,
  Optimization,
  TerminalSize,
} from './options.ts';
export type { RecordingReport, RecordOptions, SaveFlightOptions } from './recording.ts';
export { describeEngine, describeStatistics, type MachineStatistics } from './statistics.ts';
