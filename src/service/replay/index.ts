/** Recordings, for programs that use godwit as a library. */
export type { Finish } from '../../device/finisher/test-finisher.ts';
export type { DigestDifference } from '../../recording/digest-codec.ts';
export { type Divergence, DivergenceError } from '../../recording/divergence.ts';
export type { EndReason, RecordedEnd } from '../../recording/end.ts';
export type { Marker } from '../../recording/entries.ts';
export type { RecordedDigest, RecordedMarker, Recording, RecordingState } from '../../recording/recording.ts';
export type { RegisterDifference } from '../../recording/registers.ts';
export type { ReplayStop } from '../../recording/replayer.ts';
export type { RecordedDisk, RecordedMachine, RecordedShare, RecordedStart } from '../../recording/start.ts';
export type { Arrived, Timeline } from '../../replay/timeline.ts';
export { FollowedRecording, type FollowOptions } from '../recording/followed-recording.ts';
export { openRecording } from '../recording/open-recording.ts';
export { Player, type PlayerEnd, type PlayerParts, type Seek } from './player.ts';
export { openTimeline, type TimelineParts } from './recorded-timeline.ts';
