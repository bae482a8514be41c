import { platform } from '../../platform/platform.ts';
import { joinRecordings } from '../../recording/join.ts';

const ENDING = '.recording';
const DIGITS = 6;

/**
 * The folder that a flight recorder keeps the parts of `path` in. It is left when the process is killed, and can be
 * replayed.
 */
export function flightFolder(path: string): string {
  return `${path}.flight`;
}

export function segmentPath(folder: string, number: number): string {
  return `${folder}/${String(number).padStart(DIGITS, '0')}${ENDING}`;
}

/** An empty folder: what an earlier run left is removed. Throws GodwitError. */
export async function makeFlightFolder(folder: string): Promise<void> {
  const { files } = platform();
  await files.makeFolder(folder);
  for (const path of await segmentPaths(folder)) await files.removeFile(path);
}

export async function removeFlightFolder(folder: string): Promise<void> {
  await platform().files.removeTree(folder);
}

/** Oldest first. */
export async function segmentPaths(folder: string): Promise<string[]> {
  const entries = await platform().files.list(folder);
  return entries.filter(({ name }) => name.endsWith(ENDING)).map(({ name }) => `${folder}/${name}`);
}

/** One recording made of all parts, at `path`. It appears whole or not at all. Throws GodwitError. */
export async function joinFlight(
  parts: readonly string[],
  path: string,
  { replace = false }: { readonly replace?: boolean } = {},
): Promise<number> {
  const { files, codec } = platform();
  const sources = await Promise.all(parts.map((part) => files.openSource(part)));
  try {
    return await files.writeWhole(path, joinRecordings(sources, codec), { replace });
  } finally {
    for (const source of sources) source.close();
  }
}
