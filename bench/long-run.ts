/** Mixed work for a long time, and what becomes of the process's memory meanwhile. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findDebianDisk } from '../src/guest/index.ts';
import { compileKernels } from './compile.ts';
import { KernelFailed } from './contender/contender.ts';
import { GodwitContender } from './contender/godwit.ts';
import { type GuestImage, plainGuest, writeSuiteImage } from './guest-image.ts';
import { beyondGuestBytes, type MemorySample } from './memory-sample.ts';
import { type Choice, mixedWork, workOfSuite, workOnDebian } from './mixed-work.ts';
import { programMachine } from './program-image.ts';
import { type Bench, ifPresent, PACKAGES, startAll } from './run-context.ts';
import { SUITE } from './suite.ts';

export interface LongRun {
  /** What ran: "Debian with a compiler", for example. */
  readonly guest: string;
  readonly seed: number;
  readonly seconds: number;
  /** How often each program ran. */
  readonly runs: Readonly<Record<string, number>>;
  readonly samples: readonly MemorySample[];
}

interface Ground {
  readonly guest: string;
  readonly image: GuestImage;
  readonly choices: readonly Choice[];
}

const SAMPLE_MS = 5000;
const NOTE_MS = 60_000;
const SEED = 20_261_123;
const MEGABYTE = 1e6;

/** The fullest guest that can be had without building anything that takes minutes. */
async function findGround(bench: Bench, folder: string): Promise<Ground | undefined> {
  const { progress } = bench;
  for (const [variant, guest] of [
    ['bench', 'Debian with a compiler'],
    ['usual', 'Debian'],
  ] as const) {
    const debian = await findDebianDisk({ variant, progress });
    if (!debian) continue;
    return { guest, image: await programMachine(debian, folder, 'godwit'), choices: workOnDebian(debian.packages) };
  }
  const names = SUITE.map(({ name }) => name);
  const programs = await ifPresent(bench, `There is nothing for the long run; ${PACKAGES} brings it.`, () =>
    compileKernels('guest', names, progress),
  );
  if (!programs) return undefined;
  const image = await writeSuiteImage(await plainGuest(progress), programs.paths, join(folder, 'initramfs.cpio'));
  return { guest: "the CPU suite's programs, since there is no Debian disk", image, choices: workOfSuite() };
}

function describe(sample: MemorySample, startMs: number): string {
  const minutes = Math.round((sample.atMs - startMs) / 60_000);
  const { modules, regions, evictions } = sample;
  const megabytes = (beyondGuestBytes(sample) / MEGABYTE).toFixed(0);
  return `${minutes} min: ${megabytes} MB beyond guest RAM, ${modules} modules, ${regions} regions, ${evictions} evictions`;
}

/** Takes the samples of a running machine, and says one line a minute. */
class SampleCollector {
  readonly samples: MemorySample[] = [];
  private readonly bench: Bench;
  private notedMs = 0;
  private open = false;

  constructor(bench: Bench) {
    this.bench = bench;
  }

  /** The boot is over: what comes from now on counts. */
  begin(): void {
    this.open = true;
  }

  add(sample: MemorySample): void {
    if (!this.open) return;
    this.samples.push(sample);
    const start = this.samples[0]!.atMs;
    if (sample.atMs - Math.max(this.notedMs, start) < NOTE_MS) return;
    this.notedMs = sample.atMs;
    this.bench.progress.note(describe(sample, start));
  }
}

async function work(bench: Bench, contender: GodwitContender, choices: readonly Choice[]): Promise<LongRun['runs']> {
  const runs: Record<string, number> = {};
  const end = performance.now() + bench.options.longRunMinutes * 60_000;
  for (const { name, repetitions } of mixedWork(choices, SEED)) {
    if (bench.signal.aborted || performance.now() >= end) break;
    bench.progress.update({ phase: `Long run: ${name}` });
    try {
      await contender.run(name, repetitions);
      runs[name] = (runs[name] ?? 0) + 1;
    } catch (error) {
      if (bench.signal.aborted) break;
      bench.problems.push(`long run, ${name} ${repetitions}: ${(error as Error).message}`);
      if (!(error instanceof KernelFailed)) break;
    }
  }
  return runs;
}

export async function measureLongRun(bench: Bench): Promise<LongRun | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'godwit-bench-'));
  const collector = new SampleCollector(bench);
  let contender: GodwitContender | undefined;
  try {
    const ground = await findGround(bench, folder);
    if (!ground) return undefined;
    contender = new GodwitContender({
      image: ground.image,
      engine: bench.options.engine,
      profileFolder: undefined,
      sampleMs: SAMPLE_MS,
    });
    contender.onSample = (sample) => collector.add(sample);
    await startAll(bench, { godwit: contender });
    collector.begin();
    const start = performance.now();
    const runs = await work(bench, contender, ground.choices);
    const seconds = (performance.now() - start) / 1000;
    return { guest: ground.guest, seed: SEED, seconds, runs, samples: collector.samples };
  } finally {
    await contender?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
