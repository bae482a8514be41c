/** `godwit replay`: a recording on this terminal. */

import { DivergenceError } from '../recording/divergence.ts';
import type { Recording } from '../recording/recording.ts';
import { FollowedRecording } from '../service/recording/followed-recording.ts';
import { openRecording } from '../service/recording/open-recording.ts';
import { EXIT_FAILURE } from './errors.ts';
import { writeAll } from './output.ts';
import { replayForGdb } from './replay-gdb.ts';
import { type ReplayCommandOptions, refuseReplayNonsense, translationOf } from './replay-options.ts';
import { describeFacts, describeVerification, factsOf, verify } from './replay-report.ts';
import { ReplaySession } from './replay-session.ts';

export const EXIT_DIVERGED = 3;

/** Plays it and gives the exit status. Throws GodwitError when there is nothing to play. */
export async function replay(file: string, options: ReplayCommandOptions): Promise<number> {
  refuseReplayNonsense(options);
  if (options.follow) return await follow(file, options);
  const recording = await openRecording(file);
  try {
    if (options.info) return await showFacts(recording, options.json ?? false);
    if (recording.notice !== undefined) process.stderr.write(`godwit: ${recording.notice}\n`);
    if (options.verify) return await showVerification(recording, options);
    if (options.gdb !== undefined) return await replayForGdb(recording, options);
    return await new ReplaySession(recording, options).run();
  } catch (error) {
    return tellDivergence(error);
  } finally {
    recording.close();
  }
}

/** Shows a recording while it is made, until it has ended. */
async function follow(file: string, options: ReplayCommandOptions): Promise<number> {
  const followed = await FollowedRecording.open(file);
  const { recording } = followed;
  try {
    const status = await new ReplaySession(recording, options, followed).run();
    if (recording.notice !== undefined) process.stderr.write(`godwit: ${recording.notice}\n`);
    return status;
  } catch (error) {
    return tellDivergence(error);
  } finally {
    recording.close();
  }
}

function tellDivergence(error: unknown): number {
  if (!(error instanceof DivergenceError)) throw error;
  process.stderr.write(`godwit: ${error.message}\n`);
  return EXIT_DIVERGED;
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
  if (!result.same) return EXIT_DIVERGED;
  return result.state === 'whole' || result.state === 'growing' ? 0 : EXIT_FAILURE;
}

function bigintsAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
