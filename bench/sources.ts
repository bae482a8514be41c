import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GodwitError } from '../src/common/errors.ts';

/** From bench or from build/bench. */
const ROOTS = [new URL('./', import.meta.url), new URL('../../bench/', import.meta.url)];
/** A file of each folder, which says that it is the right one. */
const MEMBERS = { kernels: 'harness.c', programs: 'run.sh' } as const;

/** Where the sources of what the guests run are. Throws GodwitError('not-found'). */
export function sourceFolder(name: keyof typeof MEMBERS): string {
  const found = ROOTS.map((url) => join(fileURLToPath(url), name)).find((path) =>
    existsSync(join(path, MEMBERS[name])),
  );
  if (found !== undefined) return found;
  throw new GodwitError('not-found', `The folder bench/${name} of the benchmarks is missing.`, {
    hint: 'npm run bench works in a checkout of the repository.',
  });
}
