/** npm run bench: godwit, QEMU and the host side by side. docs/BENCHMARKS.md says how it measures. */
import '../src/platform/node/install.ts';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GodwitError } from '../src/common/errors.ts';
import { makeFolder, writeAtomically } from '../src/guest/cache.ts';
import { defaultCacheFolder, renderProgress } from '../src/guest/index.ts';
import { qemuVersion } from './contender/qemu.ts';
import { plainGuest } from './guest-image.ts';
import { describeHost } from './host-description.ts';
import { measureLongRun } from './long-run.ts';
import { renderLongRun } from './long-run-report.ts';
import { measureBoots } from './measure-boots.ts';
import { measurePrograms } from './measure-programs.ts';
import { measureSuite } from './measure-suite.ts';
import { measureMoments } from './moments/measure.ts';
import { renderMoments } from './moments/report.ts';
import { parseOptions } from './options.ts';
import { renderProfiles } from './profile-report.ts';
import { renderComparison, renderReport } from './report.ts';
import { type BenchResult, RESULT_VERSION } from './result.ts';
import { type Bench, ifPresent, PACKAGES } from './run-context.ts';
import { kernelFigures, meanFigures, meanOf } from './summary.ts';

async function findQemu(bench: Bench): Promise<boolean> {
  if (!bench.options.qemu) return false;
  const version = await ifPresent(bench, `QEMU's column stays empty; ${PACKAGES} brings it.`, qemuVersion);
  if (version === undefined) return false;
  bench.versions.qemu = version;
  return true;
}

async function measure(bench: Bench): Promise<BenchResult> {
  const { options, versions, problems } = bench;
  const date = new Date().toISOString();
  const host = describeHost();
  versions.node = `${process.version}, V8 ${process.versions.v8}`;
  const image = await plainGuest(bench.progress);
  versions.kernel = image.kernelVersion;
  const qemu = await findQemu(bench);
  const suite = options.kernels.length > 0 ? await measureSuite(bench, image, qemu) : { kernels: [], problems: [] };
  const boot = options.boot ? await measureBoots(bench, image, qemu) : { godwit: [], qemu: [] };
  const programs = options.programs.length > 0 ? await measurePrograms(bench, qemu) : { kernels: [], problems: [] };
  const moments = options.moments.length > 0 ? await measureMoments(bench) : undefined;
  const longRun = options.longRunMinutes > 0 ? await measureLongRun(bench) : undefined;
  const figures = suite.kernels.map((kernel) => kernelFigures(kernel, options.clock));
  const programFigures = programs.kernels.map((kernel) => kernelFigures(kernel, options.clock));
  return {
    version: RESULT_VERSION,
    date,
    host,
    versions,
    engine: options.engine,
    scale: options.scale,
    clock: options.clock,
    kernels: suite.kernels,
    boot,
    programs: programs.kernels,
    ...(longRun === undefined ? {} : { longRun }),
    ...(moments === undefined ? {} : { moments }),
    figures: {
      kernels: figures,
      means: meanFigures(figures),
      programs: programFigures,
      programMean: meanOf('programs', programFigures),
    },
    problems: [...suite.problems, ...programs.problems, ...problems],
  };
}

async function writeResult(result: BenchResult, json: string | undefined): Promise<string> {
  const path = json ?? join(defaultCacheFolder(), 'bench', 'results', `${result.date.replaceAll(':', '-')}.json`);
  if (json === undefined) await makeFolder(dirname(path));
  await writeAtomically(path, `${JSON.stringify(result, null, 2)}\n`);
  return path;
}

async function readEarlier(path: string): Promise<BenchResult> {
  let read: Partial<BenchResult>;
  try {
    read = JSON.parse(await readFile(path, 'utf8')) as Partial<BenchResult>;
  } catch (error) {
    throw new GodwitError('usage', `${path} can't be read as figures: ${(error as Error).message}.`, { cause: error });
  }
  if (read.version !== RESULT_VERSION) {
    throw new GodwitError('unsupported', `${path} does not hold figures of version ${RESULT_VERSION}.`);
  }
  return read as BenchResult;
}

const INTERRUPTED = 130;
const interruption = new AbortController();

async function main(): Promise<void> {
  process.once('SIGINT', () => {
    process.stderr.write('\nStopping. Once more ends at once.\n');
    interruption.abort();
  });
  const options = parseOptions(process.argv.slice(2));
  const earlier = options.compare === undefined ? undefined : await readEarlier(options.compare);
  const progress = renderProgress(process.stderr);
  const bench: Bench = { options, progress, signal: interruption.signal, versions: {}, problems: [] };
  const result = await measure(bench);
  progress.end();
  process.stdout.write(renderReport(result));
  if (result.moments) process.stdout.write(`\n${renderMoments(result.moments)}\n`);
  if (result.longRun) process.stdout.write(`\n${renderLongRun(result.longRun)}\n`);
  if (earlier) process.stdout.write(`\n${renderComparison(earlier, result)}`);
  if (options.profile !== undefined) process.stdout.write(`\n${renderProfiles(options.profile)}`);
  if (bench.signal.aborted) process.exitCode = INTERRUPTED;
  else {
    process.stdout.write(`\nAll figures: ${await writeResult(result, options.json)}\n`);
    if (result.problems.length > 0) process.exitCode = 1;
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof GodwitError)) throw error;
  if (interruption.signal.aborted) process.exitCode = INTERRUPTED;
  else {
    process.stderr.write(`${error.message}${error.hint === undefined ? '' : ` ${error.hint}`}\n`);
    process.exitCode = 1;
  }
}
