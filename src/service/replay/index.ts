/** Recordings, for programs that use godwit as a library. */
export { type Divergence, DivergenceError } from '../../recording/divergence.ts';
export type { Recording } from '../../recording/recording.ts';
export type { Replayer, ReplayStop } from '../../recording/replayer.ts';
export type { Arrived, Timeline } from '../../replay/timeline.ts';
export { FollowedRecording, type FollowOptions } from '../recording/followed-recording.ts';
export { openRecording } from '../recording/open-recording.ts';
export { Player, type PlayerEnd, type PlayerParts, type Seek } from './player.ts';
export { openTimeline, type TimelineParts } from './recorded-timeline.ts';
