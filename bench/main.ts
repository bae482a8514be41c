/** npm run bench: godwit, QEMU and the host side by side. docs/BENCHMARKS.md says how it measures. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GodwitError } from '../src/common/errors.ts';
import { makeFolder, writeAtomically } from '../src/guest/cache.ts';
import { defaultCacheFolder, type Progress, renderProgress } from '../src/guest/index.ts';
import { type BootCommand, type BootRun, measureBoot } from './boot.ts';
import { compileKernels, type Programs, type Target } from './compile.ts';
import { GodwitContender } from './contender/godwit.ts';
import { NativeContender } from './contender/native.ts';
import { QEMU, QemuContender, qemuArguments, qemuVersion } from './contender/qemu.ts';
import { COMMAND_LINE, type GuestImage, MEMORY_MEBIBYTES, plainGuest, writeSuiteImage } from './guest-image.ts';
import { describeHost } from './host-description.ts';
import { type BenchOptions, parseOptions } from './options.ts';
import { renderProfiles } from './profile-report.ts';
import { renderComparison, renderReport } from './report.ts';
import { type BenchResult, type BootResult, RESULT_VERSION } from './result.ts';
import { type Contenders, runSuite, type SuiteResult } from './run-suite.ts';
import { kernelFigures, meanFigures } from './summary.ts';

const GODWIT = fileURLToPath(new URL('../cli/main.js', import.meta.url));

/** What a run has at hand. */
interface Bench {
  readonly options: BenchOptions;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly versions: Record<string, string>;
  readonly problems: string[];
}

/** Gives undefined and a line for the person when a program is not on this machine. */
async function ifPresent<T>(bench: Bench, consequence: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GodwitError) || error.code !== 'not-found') throw error;
    bench.progress.note(`${error.message} ${consequence}`);
    return undefined;
  }
}

const PACKAGES = 'apt-get install qemu-system-misc gcc gcc-riscv64-linux-gnu libc6-dev libc6-dev-riscv64-cross';

async function findQemu(bench: Bench): Promise<boolean> {
  if (!bench.options.qemu) return false;
  const version = await ifPresent(bench, `QEMU's column stays empty; ${PACKAGES} brings it.`, qemuVersion);
  if (version === undefined) return false;
  bench.versions.qemu = version;
  return true;
}

async function compile(bench: Bench, target: Target, consequence: string): Promise<Programs | undefined> {
  const names = bench.options.kernels.map(({ name }) => name);
  const programs = await ifPresent(bench, `${consequence}; ${PACKAGES} brings it.`, () =>
    compileKernels(target, names, bench.progress),
  );
  if (programs) bench.versions[`${target} compiler`] = programs.compiler;
  return programs;
}

async function startAll(bench: Bench, contenders: Contenders): Promise<void> {
  bench.progress.update({ phase: `Booting ${Object.keys(contenders).join(' and ')}` });
  const stop = (): void => {
    for (const contender of Object.values(contenders)) void contender.stop();
  };
  bench.signal.addEventListener('abort', stop, { once: true });
  await Promise.all(Object.values(contenders).map((contender) => contender.start()));
}

async function measureSuite(bench: Bench, plain: GuestImage, qemu: boolean): Promise<SuiteResult> {
  const { options } = bench;
  const host = options.native ? await compile(bench, 'host', 'The native column stays empty') : undefined;
  const guest = await compile(bench, 'guest', 'The CPU suite is left out');
  if (!guest) return { kernels: [], problems: [] };
  const folder = await mkdtemp(join(tmpdir(), 'godwit-bench-'));
  const contenders: Contenders = {};
  try {
    const image = await writeSuiteImage(plain, guest.paths, join(folder, 'initramfs.cpio'));
    const { engine, profile } = options;
    contenders.godwit = new GodwitContender({ image, engine, profileFolder: profile });
    if (qemu) contenders.qemu = new QemuContender(image);
    if (host) contenders.native = new NativeContender(host.paths);
    await startAll(bench, contenders);
    return await runSuite(contenders, { ...options, runs: options.suiteRuns, signal: bench.signal }, bench.progress);
  } finally {
    await Promise.all(Object.values(contenders).map((contender) => contender.stop()));
    await rm(folder, { recursive: true, force: true });
  }
}

/** `godwit run` on the same files and command line as QEMU. */
function godwitArguments({ kernelPath, initrdPath }: GuestImage): string[] {
  const images = ['--kernel', kernelPath, '--initrd', initrdPath, '--append', COMMAND_LINE];
  return [GODWIT, 'run', '--headless', '--memory', `${MEMORY_MEBIBYTES}M`, ...images];
}

async function measureBoots(bench: Bench, image: GuestImage, qemu: boolean): Promise<BootResult> {
  const { options, signal } = bench;
  const commands: Record<keyof BootResult, BootCommand | undefined> = {
    godwit: { program: process.execPath, args: godwitArguments(image) },
    qemu: qemu ? { program: QEMU, args: qemuArguments(image) } : undefined,
  };
  const result: Record<keyof BootResult, BootRun[]> = { godwit: [], qemu: [] };
  for (let run = 0; run < options.bootRuns; run++) {
    for (const name of ['godwit', 'qemu'] as const) {
      const command = commands[name];
      if (!command || signal.aborted) continue;
      bench.progress.update({ phase: `Booting ${name}, ${run + 1} of ${options.bootRuns}` });
      // Doing nothing is measured once: it takes long and hardly differs.
      const idleMs = run === 0 ? options.idleMs : 0;
      try {
        result[name].push(await measureBoot(command, idleMs, signal));
      } catch (error) {
        if (signal.aborted) break;
        bench.problems.push(`boot, ${name}: ${(error as Error).message}`);
      }
    }
  }
  return result;
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
  const figures = suite.kernels.map((kernel) => kernelFigures(kernel, options.clock));
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
    figures: { kernels: figures, means: meanFigures(figures) },
    problems: [...suite.problems, ...problems],
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
