/**
 * Compiles the kernels with the host's compiler and Debian's cross compiler, into the cache folder:
 *
 *     <cache>/bench/<target>-<hash of sources, flags and compiler version>/<kernel>
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '../src/common/errors.ts';
import { makeFolder } from '../src/guest/cache.ts';
import { defaultCacheFolder, type Progress } from '../src/guest/index.ts';
import { runProgram } from '../src/guest/process.ts';
import { sourceFolder } from './sources.ts';

/** Contraction is off because it would give the two architectures different results; kernels ask for `fma` by name. */
export const COMPILER_FLAGS: readonly string[] = ['-O2', '-static', '-ffp-contract=off'];
export const COMPILERS = { host: 'gcc', guest: 'riscv64-linux-gnu-gcc' } as const;
export type Target = keyof typeof COMPILERS;

const HARNESS = 'harness.c';

export interface Programs {
  /** First line of what the compiler says of itself. */
  readonly compiler: string;
  /** Where each kernel's program is. */
  readonly paths: ReadonlyMap<string, string>;
}

async function compilerVersion(compiler: string): Promise<string> {
  const { stdout } = await runProgram(compiler, ['--version']);
  return stdout.split('\n')[0]!;
}

function keyOf(folder: string, version: string): string {
  const hash = createHash('sha256').update(JSON.stringify([version, COMPILER_FLAGS]));
  for (const name of readdirSync(folder).sort()) hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest('hex').slice(0, 16);
}

async function compileOne(compiler: string, sources: string, name: string, output: string): Promise<void> {
  const temporary = `${output}.${process.pid}.part`;
  const inputs = [join(sources, `${name}.c`), join(sources, HARNESS)];
  const result = await runProgram(compiler, [...COMPILER_FLAGS, '-o', temporary, ...inputs, '-lm']);
  if (result.status !== 0) {
    await rm(temporary, { force: true });
    throw new GodwitError('io', `${compiler} could not compile ${name}.c: ${result.stderr.trim()}`);
  }
  await rename(temporary, output);
}

/** Compiles the kernels that are not in the cache yet. Throws GodwitError('not-found') when the compiler is missing. */
export async function compileKernels(
  target: Target,
  names: readonly string[],
  progress: Progress,
  cacheFolder = defaultCacheFolder(),
): Promise<Programs> {
  const compiler = COMPILERS[target];
  const version = await compilerVersion(compiler);
  const sources = sourceFolder('kernels');
  const folder = join(cacheFolder, 'bench', `${target}-${keyOf(sources, version)}`);
  await makeFolder(folder);
  const paths = new Map<string, string>();
  for (const [done, name] of names.entries()) {
    const output = join(folder, name);
    if ((await stat(output).catch(() => undefined)) === undefined) {
      progress.update({ phase: `Compiling the kernels for the ${target}`, done, total: names.length, unit: 'files' });
      await compileOne(compiler, sources, name, output);
    }
    paths.set(name, output);
  }
  return { compiler: version, paths };
}
