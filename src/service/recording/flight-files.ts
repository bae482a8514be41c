import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeCodec } from '../../platform/node/codec.ts';
import { FileByteSource } from '../../platform/node/file-byte-source.ts';
import { hostError } from '../../platform/node/host-error.ts';
import { writeWholeFile } from '../../platform/node/whole-file.ts';
import { joinRecordings } from '../../recording/join.ts';

const ENDING = '.recording';
const DIGITS = 6;

/** The folder that a flight recorder keeps the parts of `path` in. It is left when the process is killed, and can be replayed. */
export function flightFolder(path: string): string {
  return `${path}.flight`;
}

export function segmentPath(folder: string, number: number): string {
  return join(folder, `${String(number).padStart(DIGITS, '0')}${ENDING}`);
}

/** An empty folder: what an earlier run left is removed. Throws GodwitError. */
export async function makeFlightFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    for (const path of await segmentPaths(folder)) await rm(path);
  } catch (error) {
    throw hostError(error, `use the folder ${folder} for the flight recorder`);
  }
}

export async function removeFlightFolder(folder: string): Promise<void> {
  for (const path of await segmentPaths(folder)) await rm(path, { force: true });
  await rm(folder, { recursive: true, force: true });
}

/** Oldest first. */
export async function segmentPaths(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => name.endsWith(ENDING))
    .sort()
    .map((name) => join(folder, name));
}

/** One recording made of all parts, at `path`. It appears whole or not at all. Throws GodwitError. */
export async function joinFlight(
  parts: readonly string[],
  path: string,
  { replace = false }: { readonly replace?: boolean } = {},
): Promise<number> {
  const sources = parts.map((part) => new FileByteSource(part));
  try {
    return await writeWholeFile(path, joinRecordings(sources, nodeCodec), { replace });
  } finally {
    for (const source of sources) source.close();
  }
}
