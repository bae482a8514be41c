/** The build. TypeScript's build mode itself knows what has changed and is quick when nothing has. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { during, lastLines, ROOT, run, SetupError, writeProblem } from './common.mjs';

const COMPILER = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
/**
 * One of the build's results. Were it missing, somebody would have taken it away, which the build mode does not notice.
 */
const PROGRAM = join(ROOT, 'dist', 'cli', 'main.js');
/** Made by what was compiled: a machine starts without it, too, but has to make it first. */
const INTERPRETER = join(ROOT, 'dist', 'interpreter.wasm');
const INTERPRETER_BUILDER = join(ROOT, 'tools', 'build-interpreter.mjs');
/** The same in a few files, which start sooner. */
const QUICK_PROGRAM = join(ROOT, 'dist', 'program', 'start', 'main.js');
const PROGRAM_BUILDER = join(ROOT, 'tools', 'build-program.mjs');

function compile(...options) {
  return run(process.execPath, [COMPILER, '--build', ...options, '--locale', 'en']);
}

/** Looks without writing anything. */
export async function isBuilt() {
  if (!existsSync(PROGRAM) || !existsSync(INTERPRETER) || !existsSync(QUICK_PROGRAM)) return false;
  const { status, output } = await compile('--dry');
  return status === 0 && !output.includes('A non-dry build would');
}

async function compileAll() {
  let { status, output } = await compile();
  if (status === 0 && !existsSync(PROGRAM)) ({ status, output } = await compile('--force'));
  if (status === 0) ({ status, output } = await run(process.execPath, [INTERPRETER_BUILDER]));
  if (status === 0) ({ status, output } = await run(process.execPath, [PROGRAM_BUILDER]));
  return { status, output };
}

export async function build() {
  const { status, output } = await during('building', compileAll);
  if (status === 0) return;
  const problem = writeProblem(output);
  if (problem !== undefined) throw new SetupError(`The build failed. ${problem}`);
  throw new SetupError(`The build failed:\n${lastLines(output, 40)}`);
}
