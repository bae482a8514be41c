/** Where the build has put what this program consists of. */

/** esbuild writes it into the program that it puts together of all modules (tools/build-program.mjs). */
declare const GODWIT_SOURCES_HASH: string | undefined;

/** The hash of what the interpreter follows from, in that program; elsewhere the modules themselves tell. */
export const BUNDLED_SOURCES_HASH = typeof GODWIT_SOURCES_HASH === 'string' ? GODWIT_SOURCES_HASH : undefined;

/** The compiled JavaScript: threads run that, also in tests, whose main thread runs TypeScript. */
export const BUILD_FOLDER = new URL(import.meta.url.endsWith('.ts') ? '../../../dist/' : '../../', import.meta.url);

/** What a thread runs. */
export const WORKER_URL = new URL(
  BUNDLED_SOURCES_HASH === undefined ? 'node-worker.js' : 'program/start/node-worker.js',
  BUILD_FOLDER,
);
