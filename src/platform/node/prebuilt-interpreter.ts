import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  generateInterpreterOf,
  type InterpreterKind,
  interpreterModule,
  provideInterpreter,
} from '../../machine/interpreter-module.ts';
import { writeWholeFile } from './whole-file.ts';

/** What machines of this platform run. */
export const NODE_INTERPRETER: InterpreterKind = { shared: true, floatFastPaths: true };

/** The compiled JavaScript: threads run that, also in tests, whose main thread runs TypeScript. */
const BUILD = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../../../dist/' : '../../', import.meta.url));
const FILE = join(BUILD, 'interpreter.wasm');
/** What the interpreter follows from. */
const SOURCES = ['isa', 'hart', 'execute', 'memory'];

let provided: Promise<WebAssembly.Module> | undefined;

/**
 * The interpreter's module for this thread, and to be handed to others. Its bytes are kept beside the compiled sources,
 * since generating them takes longer than all else that a machine needs to start; a file older than any of the sources
 * is not used.
 */
export function prebuiltInterpreter(): Promise<WebAssembly.Module> {
  provided ??= load();
  return provided;
}

async function load(): Promise<WebAssembly.Module> {
  const kept = await keptModule();
  if (kept) {
    provideInterpreter(NODE_INTERPRETER, kept);
    return kept;
  }
  const module = await interpreterModule(NODE_INTERPRETER);
  // Only what the built sources make: sources in TypeScript may be ahead of them.
  if (!import.meta.url.endsWith('.ts')) await keep().catch(() => {});
  return module;
}

async function keptModule(): Promise<WebAssembly.Module | undefined> {
  try {
    const { mtimeMs } = await stat(FILE);
    if (mtimeMs <= (await newestSourceMs())) return undefined;
    return await WebAssembly.compile(await readFile(FILE));
  } catch {
    return undefined;
  }
}

async function newestSourceMs(): Promise<number> {
  let newest = 0;
  for (const folder of SOURCES) {
    const names = await readdir(join(BUILD, folder), { recursive: true });
    const files = names.filter((name) => name.endsWith('.js'));
    const times = await Promise.all(files.map(async (name) => (await stat(join(BUILD, folder, name))).mtimeMs));
    newest = Math.max(newest, ...times);
  }
  return newest;
}

/** A folder that cannot be written is no misfortune. */
async function keep(): Promise<void> {
  await writeWholeFile(FILE, [generateInterpreterOf(NODE_INTERPRETER)], { replace: true, mode: 0o666 });
}
