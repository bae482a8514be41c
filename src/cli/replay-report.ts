/** What `godwit replay` says of a recording without playing it. */
import { formatByteSize } from '../api/index.ts';
import { DivergenceError } from '../recording/divergence.ts';
import type { Recording, RecordingState } from '../recording/recording.ts';
import { Replayer, type ReplayOptions } from '../recording/replayer.ts';

const TICKS_PER_SECOND = 1e7;

const NO_END: Readonly<Record<RecordingState, string>> = {
  whole: 'none',
  growing: 'none yet: it is still being recorded',
  'broken-off': 'it broke off',
  damaged: 'it is damaged',
};

/** What the file holds, as plain data for people and programs. */
export interface RecordingFacts {
  readonly file: string;
  readonly fileBytes: number;
  readonly tool: string;
  /** When it began, on the host. */
  readonly recordedAt: string;
  readonly memoryBytes: number;
  readonly disks: number;
  /** Guest time. */
  readonly seconds: number;
  readonly branches: { readonly first: string; readonly last: string };
  readonly pages: number;
  readonly events: Readonly<Record<string, number>>;
  readonly digests: number;
  /** Whether it is all that was recorded. */
  readonly state: RecordingState;
  /** How it ended; null: it has no end. */
  readonly end: string | null;
  /** Why a part of the file is of no use. */
  readonly notice: string | null;
}

export function factsOf(recording: Recording): RecordingFacts {
  const { start, source, events, end } = recording;
  const kinds: Record<string, number> = {};
  for (const { event } of events) kinds[event.kind] = (kinds[event.kind] ?? 0) + 1;
  return {
    file: source.name,
    fileBytes: source.sizeBytes,
    tool: start.tool,
    recordedAt: new Date(start.epochMs).toISOString(),
    memoryBytes: start.memoryBytes,
    disks: start.disks.length,
    seconds: Number(recording.endTicks - start.ticks) / TICKS_PER_SECOND,
    branches: { first: String(start.point.branches), last: String(recording.endPoint.branches) },
    pages: recording.pageCount,
    events: kinds,
    digests: recording.digests.length + (end?.digest ? 1 : 0),
    state: recording.state,
    end: end?.reason ?? null,
    notice: recording.notice ?? null,
  };
}

/** Which places there are. */
export function describeExtent({ start, endTicks, endPoint }: Recording): string {
  const seconds = Number(endTicks - start.ticks) / TICKS_PER_SECOND;
  return `It is ${seconds.toFixed(3)} s long, from branch ${start.point.branches} to ${endPoint.branches}.`;
}

export function describeFacts(facts: RecordingFacts): string {
  const kinds = Object.entries(facts.events).map(([kind, count]) => `${count} ${kind}`);
  const lines = [
    `file       ${facts.file}, ${formatByteSize(facts.fileBytes)}, by ${facts.tool}`,
    `recorded   ${facts.recordedAt}`,
    `machine    ${formatByteSize(facts.memoryBytes)} of memory, ${facts.disks} disks`,
    `length     ${facts.seconds.toFixed(3)} s of guest time, branches ${facts.branches.first} to ${facts.branches.last}`,
    `start      ${facts.pages} pages of memory (${formatByteSize(facts.pages * 4096)})`,
    `events     ${kinds.length === 0 ? 'none' : kinds.join(', ')}`,
    `digests    ${facts.digests}`,
    `end        ${facts.end ?? NO_END[facts.state]}`,
  ];
  if (facts.notice !== null) lines.push(`notice     ${facts.notice}`);
  return `${lines.join('\n')}\n`;
}

export interface Verification {
  /** All that is in the file replays as it was recorded. */
  readonly same: boolean;
  /** Whether that is all that was recorded. */
  readonly state: RecordingState;
  /** Why not; null: it is. */
  readonly notice: string | null;
  readonly digests: number;
  readonly seconds: number;
  readonly wallSeconds: number;
  /** Where and how it was not the same. */
  readonly divergence: DivergenceError | undefined;
}

/** Replays everything. Throws GodwitError when it cannot be replayed. */
export async function verify(recording: Recording, options: ReplayOptions): Promise<Verification> {
  const startedMs = performance.now();
  const replayer = await Replayer.open(recording, options);
  let divergence: DivergenceError | undefined;
  try {
    replayer.runToEnd();
  } catch (error) {
    if (!(error instanceof DivergenceError)) throw error;
    divergence = error;
  }
  return {
    same: divergence === undefined,
    state: recording.state,
    notice: recording.notice ?? null,
    digests: replayer.checkedDigests + (divergence === undefined && recording.end?.digest ? 1 : 0),
    seconds: Number(replayer.core.ticks - recording.start.ticks) / TICKS_PER_SECOND,
    wallSeconds: (performance.now() - startedMs) / 1000,
    divergence,
  };
}

export function describeVerification(verification: Verification): string {
  const { digests, seconds, wallSeconds, divergence, state } = verification;
  if (divergence) return `godwit: ${divergence.message}\n`;
  const time = `${seconds.toFixed(2)} s of guest time in ${wallSeconds.toFixed(2)} s`;
  if (state === 'whole') return `The replay is as the recording: ${digests} digests are the same; ${time}.\n`;
  const soFar = state === 'growing' ? 'As far as it was recorded by now' : 'What is left of the recording';
  return `${soFar}, the replay is the same: ${digests} digests; ${time}.\n`;
}
