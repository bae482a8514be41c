import { Command, InvalidArgumentError, Option } from 'commander';
import { GodwitError } from '../src/common/errors.ts';
import { ENGINES, type EngineName } from './contender/live-machine.ts';
import { MOMENTS, type Moment } from './moments/measure.ts';
import { CLOCKS, type Clock } from './result.ts';
import { type Kernel, PROGRAMS, SUITE } from './suite.ts';

export interface BenchOptions {
  readonly kernels: readonly Kernel[];
  readonly boot: boolean;
  readonly programs: readonly Kernel[];
  /** Build the disk that the programs need, if there is none. */
  readonly buildDisk: boolean;
  readonly moments: readonly Moment[];
  /** 0: no long run. */
  readonly longRunMinutes: number;
  readonly suiteRuns: number;
  readonly bootRuns: number;
  readonly programRuns: number;
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
/** Only when it is named. */
const LONG_RUN = 'long-run';
const GROUP_NAMES: readonly string[] = [...new Set([...SUITE, ...PROGRAMS].map(({ group }) => group))];
const NAMES: readonly string[] = [...[...SUITE, ...PROGRAMS].map(({ name }) => name), BOOT, ...MOMENTS, LONG_RUN];
const DEFAULT_MINUTES = 5;
const FULL = { runs: 3, bootRuns: 5, programRuns: 1, idleMs: 10_000, scale: 1 };
const QUICK = { runs: 1, bootRuns: 1, programRuns: 1, idleMs: 3000, scale: 1 / 8 };

interface Parsed {
  only?: string[];
  quick?: boolean;
  runs?: number;
  minutes: number;
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

function minutes(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 100_000)) throw new InvalidArgumentError('It must be above 0 and at most 100000.');
  return value;
}

function factor(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1000)) throw new InvalidArgumentError('It must be above 0 and at most 1000.');
  return value;
}

function program(): Command {
  return new Command('npm run bench --')
    .description(
      "Measures godwit beside QEMU and the host: a suite of small programs, a boot of Debian's kernel, and real programs on Debian.",
    )
    .option('--only <names>', `some of: ${[...GROUP_NAMES, ...NAMES].join(', ')}`, (text) => text.split(','))
    .option('--quick', 'an eighth of the work, once: figures are rough')
    .option('--runs <n>', 'how often everything is run; the table shows medians', count)
    .option('--minutes <n>', `how long ${LONG_RUN} takes`, minutes, DEFAULT_MINUTES)
    .option('--scale <factor>', 'multiplies the work of each kernel and program', factor)
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

type Selection = Pick<BenchOptions, 'kernels' | 'boot' | 'programs' | 'moments' | 'buildDisk'>;

function selected(only: readonly string[] | undefined): Selection {
  if (only === undefined) {
    return { kernels: SUITE, boot: true, programs: PROGRAMS, moments: MOMENTS, buildDisk: false };
  }
  const known = [...GROUP_NAMES, ...NAMES];
  const unknown = only.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new GodwitError('usage', `There is no benchmark "${unknown}".`, { hint: `There are ${known.join(', ')}.` });
  }
  const wanted = ({ name, group }: Kernel): boolean => only.includes(name) || only.includes(group);
  return {
    kernels: SUITE.filter(wanted),
    boot: only.includes(BOOT),
    programs: PROGRAMS.filter(wanted),
    moments: MOMENTS.filter((name) => only.includes(name)),
    buildDisk: true,
  };
}

/** Options from the command line. Prints and ends the process for --help and mistakes that commander finds. */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const parsed = program().parse(argv, { from: 'user' }).opts<Parsed>();
  const defaults = parsed.quick === true ? QUICK : FULL;
  const { boot, ...selection } = selected(parsed.only);
  return {
    ...selection,
    longRunMinutes: parsed.only?.includes(LONG_RUN) ? parsed.minutes : 0,
    // The boot is of the command line, which has one engine.
    boot: boot && parsed.engine === ENGINES[0],
    suiteRuns: parsed.runs ?? defaults.runs,
    bootRuns: parsed.runs ?? defaults.bootRuns,
    programRuns: parsed.runs ?? defaults.programRuns,
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
