/**
 * What each optimisation of the engine is worth: the CPU suite in a machine with all of them beside one without it,
 * kernel by kernel in turn. Takes the options of the benchmark: --only, --runs, --scale, --clock.
 */
import '../src/platform/node/install.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OPTIMIZATION_NAMES, OPTIMIZATIONS, type Optimization } from '../src/execute/jit/options.ts';
import { renderProgress } from '../src/guest/index.ts';
import { compileKernels } from './compile.ts';
import { GodwitContender } from './contender/godwit.ts';
import { type GuestImage, plainGuest, writeSuiteImage } from './guest-image.ts';
import { type BenchOptions, parseOptions } from './options.ts';
import { geometricMean, median } from './statistics.ts';
import { GROUPS, type Kernel, scaledRepetitions } from './suite.ts';

/** One kernel: how many times as fast it runs with the optimisation. */
interface Gain {
  readonly kernel: Kernel;
  readonly ratio: number;
}

interface Variant {
  readonly name: string;
  readonly meaning: string;
  readonly without: readonly Optimization[];
}

const VARIANTS: readonly Variant[] = [
  ...OPTIMIZATION_NAMES.map((name) => ({ name: `\`${name}\``, meaning: OPTIMIZATIONS[name], without: [name] })),
  { name: 'all of them', meaning: 'one block at a time, nothing else', without: OPTIMIZATION_NAMES },
];
/** Kernels that gain or lose at least this much are named. */
const NOTABLE = 1.1;
const NAMED_MAXIMUM = 3;

class Ablation {
  private readonly options: BenchOptions;
  private readonly image: GuestImage;
  private readonly progress = renderProgress(process.stderr);

  constructor(options: BenchOptions, image: GuestImage) {
    this.options = options;
    this.image = image;
  }

  async run(): Promise<void> {
    const base = this.contender([]);
    try {
      await base.start();
      const lines: string[] = [];
      for (const variant of VARIANTS) lines.push(row(variant, await this.gains(base, variant)));
      this.progress.end();
      const head = ['optimisation', 'what it is', ...GROUPS, 'all', 'most of all'];
      process.stdout.write(`${[cells(head), cells(head.map(() => '---')), ...lines].join('\n')}\n`);
    } finally {
      await base.stop();
    }
  }

  private contender(without: readonly Optimization[]): GodwitContender {
    return new GodwitContender({ image: this.image, engine: 'jit', profileFolder: undefined, without });
  }

  private async gains(base: GodwitContender, { name, without }: Variant): Promise<Gain[]> {
    const other = this.contender(without);
    try {
      this.progress.update({ phase: `Booting without ${name}` });
      await other.start();
      const gains: Gain[] = [];
      for (const kernel of this.options.kernels) {
        this.progress.update({ phase: `Running ${kernel.name} without ${name}` });
        gains.push({ kernel, ratio: await this.ratio(base, other, kernel) });
      }
      return gains;
    } finally {
      await other.stop();
    }
  }

  /** Median of the ratios of runs side by side, after one that warms up. */
  private async ratio(base: GodwitContender, other: GodwitContender, kernel: Kernel): Promise<number> {
    const repetitions = scaledRepetitions(kernel, this.options.scale);
    const ratios: number[] = [];
    for (let run = 0; run <= this.options.suiteRuns; run++) {
      const [on, off] = [await base.run(kernel.name, repetitions), await other.run(kernel.name, repetitions)];
      if (on.checksum !== off.checksum) throw new Error(`${kernel.name}: ${on.checksum}, but ${off.checksum} without`);
      const of = this.options.clock === 'cpu' ? ('cpuMs' as const) : ('wallMs' as const);
      if (run > 0) ratios.push(off[of]! / on[of]!);
    }
    return median(ratios);
  }
}

function cells(texts: readonly string[]): string {
  return `| ${texts.join(' | ')} |`;
}

function row({ name, meaning }: Variant, gains: readonly Gain[]): string {
  const mean = (wanted: readonly Gain[]) =>
    wanted.length === 0 ? '' : geometricMean(wanted.map(({ ratio }) => ratio)).toFixed(2);
  const groups = GROUPS.map((group) => mean(gains.filter(({ kernel }) => kernel.group === group)));
  const most = gains
    .filter(({ ratio }) => ratio >= NOTABLE || ratio <= 1 / NOTABLE)
    .sort((a, b) => Math.abs(Math.log(b.ratio)) - Math.abs(Math.log(a.ratio)))
    .slice(0, NAMED_MAXIMUM)
    .map(({ kernel, ratio }) => `${kernel.name} ${ratio.toFixed(2)}`);
  return cells([name, meaning, ...groups, mean(gains), most.join(', ')]);
}

const options = parseOptions(process.argv.slice(2));
const progress = renderProgress(process.stderr);
const guest = await compileKernels(
  'guest',
  options.kernels.map(({ name }) => name),
  progress,
);
const folder = await mkdtemp(join(tmpdir(), 'godwit-ablation-'));
try {
  const image = await writeSuiteImage(await plainGuest(progress), guest.paths, join(folder, 'initramfs.cpio'));
  await new Ablation(options, image).run();
} finally {
  await rm(folder, { recursive: true, force: true });
}
