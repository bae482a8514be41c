import { Command, InvalidArgumentError, Option } from 'commander';
import { GodwitError } from '../src/common/errors.ts';
import { ENGINES, type EngineName } from './contender/live-machine.ts';
import { CLOCKS, type Clock } from './result.ts';
import { type Kernel, SUITE } from './suite.ts';

export interface BenchOptions {
  readonly kernels: readonly Kernel[];
  readonly boot: boolean;
  readonly suiteRuns: number;
  readonly bootRuns: number;
  readonly idleMs: number;
  readonly scale: number;
  readonly clock: Clock;
  readonly engine: EngineName;
  readonly qemu: boolean;
  readonly native: boolean;
  readonly json: string | undefined;
  readonly compare: string | undefined;
  readonly profile: string | undefined;
}

const BOOT = 'boot';
const FULL = { runs: 3, bootRuns: 5, idleMs: 10_000, scale: 1 };
const QUICK = { runs: 1, bootRuns: 1, idleMs: 3000, scale: 1 / 8 };

interface Parsed {
  only?: string[];
  quick?: boolean;
  runs?: number;
  scale?: number;
  clock: Clock;
  engine: EngineName;
  qemu: boolean;
  native: boolean;
  json?: string;
  compare?: string;
  profile?: string;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1000) throw new InvalidArgumentError('It must be 1 to 1000.');
  return value;
}

function factor(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1000)) throw new InvalidArgumentError('It must be above 0 and at most 1000.');
  return value;
}

function program(): Command {
  return new Command('npm run bench --')
    .description("Measures godwit beside QEMU and the host: a suite of small programs, and a boot of Debian's kernel.")
    .option('--only <names>', `some of: ${[...SUITE.map(({ name }) => name), BOOT].join(', ')}`, (text) =>
      text.split(','),
    )
    .option('--quick', 'an eighth of the work, once: figures are rough')
    .option('--runs <n>', 'how often everything is run; the table shows medians', count)
    .option('--scale <factor>', 'multiplies the repetitions of each kernel', factor)
    .addOption(new Option('--clock <which>', 'what the table is made of').choices(CLOCKS).default('wall'))
    .addOption(
      new Option('--engine <which>', 'what executes guest instructions; the boot is left out of all but the first')
        .choices(ENGINES)
        .default(ENGINES[0]),
    )
    .option('--no-qemu', 'leave QEMU out')
    .option('--no-native', 'leave the host out')
    .option('--json <file>', 'where the figures go, instead of the cache folder')
    .option('--compare <file>', 'show speeds of an earlier run beside this one')
    .option('--profile <folder>', "write V8's profiles of godwit, for boot and each kernel (slows it a little)");
}

function selected(only: readonly string[] | undefined): { kernels: readonly Kernel[]; boot: boolean } {
  if (only === undefined) return { kernels: SUITE, boot: true };
  const names = new Set(only);
  const kernels = SUITE.filter(({ name, group }) => names.has(name) || names.has(group));
  const known = new Set([BOOT, ...SUITE.flatMap(({ name, group }) => [name, group])]);
  const unknown = only.find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new GodwitError('usage', `There is no benchmark "${unknown}".`, {
      hint: `There are ${[...known].join(', ')}.`,
    });
  }
  return { kernels, boot: names.has(BOOT) };
}

/** Options from the command line. Prints and ends the process for --help and mistakes that commander finds. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const parsed = program().parse(argv, { from: 'user' }).opts<Parsed>();
  const defaults = parsed.quick === true ? QUICK : FULL;
  const { kernels, boot } = selected(parsed.only);
  return {
    kernels,
    // The boot is of the command line, which has one engine.
    boot: boot && parsed.engine === ENGINES[0],
    suiteRuns: parsed.runs ?? defaults.runs,
    bootRuns: parsed.runs ?? defaults.bootRuns,
    idleMs: defaults.idleMs,
    scale: parsed.scale ?? defaults.scale,
    clock: parsed.clock,
    engine: parsed.engine,
    qemu: parsed.qemu,
    native: parsed.native,
    json: parsed.json,
    compare: parsed.compare,
    profile: parsed.profile,
  };
}
