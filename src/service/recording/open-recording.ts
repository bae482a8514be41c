import { GodwitError } from '../../common/errors.ts';
import { text } from '../../common/schema.ts';
import { platform } from '../../platform/platform.ts';
import { Recording } from '../../recording/recording.ts';
import { joinFlight, segmentPaths } from './flight-files.ts';
import { isBeingWritten } from './followed-recording.ts';

/**
 * Opens a recording for replays; of the folder that a flight recorder left behind, all of it. The file is the
 * recording's, which is to be closed. Throws GodwitError: 'not-found', 'unsupported' for what is no recording,
 * 'damaged' when nothing can be replayed.
 */
export async function openRecording(path: string): Promise<Recording> {
  const { files, codec } = platform();
  const absolute = files.absolute(text().parse(path, 'path'));
  const found = await files.look(absolute);
  if (found?.kind === 'folder') return await openFlight(absolute);
  return await marked(Recording.open(await files.openSource(path), codec), absolute);
}

/** One that is still being made has no end yet, which is no damage. */
async function marked(recording: Recording, path: string): Promise<Recording> {
  try {
    if (recording.state === 'broken-off' && (await isBeingWritten(path))) recording.markUnfinished();
    return recording;
  } catch (error) {
    recording.close();
    throw error;
  }
}

async function openFlight(path: string): Promise<Recording> {
  const { files, codec } = platform();
  const parts = await segmentPaths(path);
  if (parts.length === 0) throw new GodwitError('usage', `${path} is a folder without recordings.`);
  const folder = await files.makeTemporaryFolder();
  try {
    const joined = `${folder}/joined.recording`;
    await joinFlight(parts, joined);
    // It stays readable without its name.
    return await marked(Recording.open(await files.openSource(joined), codec), parts.at(-1)!);
  } finally {
    await files.removeTree(folder);
  }
}
