import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  generateInterpreterOf,
  interpreterModule,
  MACHINE_INTERPRETER,
  provideInterpreter,
} from '../../machine/interpreter-module.ts';
import { BUILD_FOLDER, BUNDLED_SOURCES_HASH } from './build-folder.ts';
import { writeWholeFile } from './whole-file.ts';

const BUILD = fileURLToPath(BUILD_FOLDER);
const FILE = join(BUILD, 'interpreter.wasm');
/** What the interpreter follows from: a file, and all in these folders. */
const SOURCE_FILE = join('machine', 'interpreter-module.js');
const SOURCE_FOLDERS = ['isa', 'hart', 'execute', 'memory'];
/**
 * At its end the file has a custom section with a hash of them. Times would not do: who unpacks a package may set them
 * to anything.
 */
const SECTION = 'sources';
const HASH_BYTES = 32;

let provided: Promise<WebAssembly.Module> | undefined;

/**
 * The interpreter's module for this thread, and to be handed to others. The build keeps its bytes beside the compiled
 * sources, since generating them takes longer than all else that a machine needs to start. Bytes that other sources
 * made are not used.
 */
export function prebuiltInterpreter(): Promise<WebAssembly.Module> {
  provided ??= load();
  return provided;
}

/** The build's last step. Nothing happens when the bytes are there. */
export async function buildInterpreter(): Promise<void> {
  if (!(await keptModule())) await keep();
}

async function load(): Promise<WebAssembly.Module> {
  const kept = await keptModule();
  if (kept) {
    provideInterpreter(MACHINE_INTERPRETER, kept);
    return kept;
  }
  const module = await interpreterModule(MACHINE_INTERPRETER);
  // A folder that cannot be written is no misfortune.
  if (runsItsSources()) await keep().catch(() => {});
  return module;
}

/**
 * Only what the built sources make may be kept: sources in TypeScript may be ahead of them, or they of what this
 * program has loaded.
 */
function runsItsSources(): boolean {
  if (import.meta.url.endsWith('.ts') || BUNDLED_SOURCES_HASH !== undefined) return false;
  return sourcePaths().every((path) => statSync(path).mtimeMs < performance.timeOrigin);
}

async function keptModule(): Promise<WebAssembly.Module | undefined> {
  try {
    const bytes = await readFile(FILE);
    if (bytes.length < HASH_BYTES) return undefined;
    const module = WebAssembly.compile(bytes);
    module.catch(() => {});
    // While V8 compiles: that goes on in other threads.
    return hashSources().equals(bytes.subarray(-HASH_BYTES)) ? await module : undefined;
  } catch {
    return undefined;
  }
}

function sourcePaths(): string[] {
  const inFolders = SOURCE_FOLDERS.flatMap((folder) => {
    const names = readdirSync(join(BUILD, folder), { recursive: true, encoding: 'utf8' });
    return names.filter((name) => name.endsWith('.js')).map((name) => join(BUILD, folder, name));
  });
  return [join(BUILD, SOURCE_FILE), ...inFolders].sort();
}

/** Reads some two hundred files, which a program that is one file leaves out. */
export function hashSources(): Buffer {
  if (BUNDLED_SOURCES_HASH !== undefined) return Buffer.from(BUNDLED_SOURCES_HASH, 'hex');
  const hash = createHash('sha256');
  for (const path of sourcePaths()) {
    const content = readFileSync(path);
    hash.update(`${path.slice(BUILD.length)} ${content.length}\n`).update(content);
  }
  return hash.digest();
}

async function keep(): Promise<void> {
  const bytes = Buffer.concat([generateInterpreterOf(MACHINE_INTERPRETER), customSection(SECTION, hashSources())]);
  await writeWholeFile(FILE, [bytes], { replace: true, mode: 0o666 });
}

/** Ids and lengths below 128 are one byte each in WebAssembly. */
function customSection(name: string, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0, 1 + name.length + content.length, name.length]), Buffer.from(name), content]);
}
