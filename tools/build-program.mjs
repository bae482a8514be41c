/**
 * The build's very last step: dist/program/start, the command line and its threads in a few files. Node.js takes a
 * millisecond for each of five hundred modules, which is most of the time of a short command. bin/godwit runs it as
 * long as nothing was compiled since. The package does without: it would be half as large again.
 */
import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { hashSources } from '../dist/platform/node/prebuilt-interpreter.js';
import { ROOT } from './setup/common.mjs';

const DIST = join(ROOT, 'dist');
const FOLDER = join(DIST, 'program', 'start');
const PROGRAM = join(FOLDER, 'main.js');
const BUILD_INFOS = ['core', 'services', 'node'].map((name) => join(DIST, `${name}.tsbuildinfo`));

/** As bin/godwit decides it. */
function isUpToDate() {
  const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);
  return BUILD_INFOS.every((path) => modified(path) <= modified(PROGRAM));
}

if (!isUpToDate()) {
  rmSync(FOLDER, { recursive: true, force: true });
  await build({
    entryPoints: { main: join(DIST, 'cli', 'main.js'), 'node-worker': join(DIST, 'node-worker.js') },
    outdir: FOLDER,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    define: { GODWIT_SOURCES_HASH: JSON.stringify(hashSources().toString('hex')) },
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
    logLevel: 'warning',
  });
}
