/** The library's surface that is the same on all platforms. */

export { formatByteSize, parseByteSize } from '../common/byte-size.ts';
export type { Cancellation, CancellationSignal } from '../common/cancellation.ts';
export { type ErrorCode, GodwitError } from '../common/errors.ts';
export type { TranslatorStatistics } from '../execute/jit/translator.ts';
export type { RegionExitName } from '../hart/decoded-slots.ts';
export type { EngineStatistics } from '../machine/engine.ts';

export type { ExecutionPoint } from '../machine/execution-point.ts';

export type {
  CheckpointOptions,
  CheckpointProgress,
  CheckpointReport,
  ClockChoice,
  ContinueOptions,
  ForkOptions,
  IdentityChoice,
  RestoreOptions,
  RestReport,
} from './checkpoint.ts';
export type { MachineConsole, WaitOptions } from './console.ts';
export type { DebuggerState, DebugOptions } from './debug.ts';
export type { DiskError, ListenerEvent, MachineEnd, MachineEvents } from './events.ts';
export type {
  ExecOptions,
  ExecResult,
  GuestCommand,
  GuestOutput,
  GuestProcess,
  GuestStatus,
  SpawnOptions,
} from './guest-process.ts';
export { MachineHandle, type MachineListener } from './machine.ts';
export type {
  ConsolePort,
  DiskOptions,
  EngineName,
  ImageSource,
  MachineOptions,
  Optimization,
  ShareOptions,
  TerminalSize,
} from './options.ts';
export type { RecordingReport, RecordOptions, SaveFlightOptions } from './recording.ts';
export { describeEngine, describeStatistics, type MachineStatistics } from './statistics.ts';
export type { MachineStatus } from './status.ts';
