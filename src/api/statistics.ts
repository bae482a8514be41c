import { number, object, optional, type Schema } from '../common/schema.ts';
import type { EngineStatistics } from '../machine/engine.ts';

/** What a machine did since it was started. Counts are exact up to 2^53. */
export interface MachineStatistics {
  /** Instructions that retired. */
  readonly instructions: number;
  /** Counted transfers: backward jumps and branches, indirect jumps, traps and returns from them. */
  readonly branches: number;
  /** Milliseconds since `start`. */
  readonly wallMs: number;
  /** Those of them in which the guest executed. */
  readonly busyMs: number;
  /** Guest time that passed, in milliseconds. */
  readonly guestMs: number;
  /** From `start` to the first byte on the console; missing as long as there is none. */
  readonly firstOutputMs?: number;
  /** Resets that the guest asked for. */
  readonly resets: number;
  /** What became of its code. */
  readonly engine: EngineStatistics;
}

const COUNT = number(0, Number.MAX_VALUE);
const OPEN = { open: true };

/** What is said of them here; there may be more. */
const STATISTICS = object(
  {
    instructions: COUNT,
    branches: COUNT,
    wallMs: COUNT,
    busyMs: COUNT,
    guestMs: COUNT,
    firstOutputMs: optional(COUNT),
    resets: COUNT,
  },
  OPEN,
);

/** One line for a person. */
export function describeStatistics(statistics: MachineStatistics): string {
  STATISTICS.parse(statistics, 'statistics');
  const { instructions, branches, wallMs, busyMs, guestMs, firstOutputMs, resets } = statistics;
  const parts = [
    firstOutputMs === undefined ? 'no output' : `first output after ${seconds(firstOutputMs)}`,
    `ran ${seconds(wallMs)} (executing ${seconds(busyMs)}, guest time ${seconds(guestMs)})`,
    `${millions(instructions)} million instructions at ${millionsPerSecond(statistics)} million a second`,
    `${millions(branches)} million branches`,
  ];
  if (resets > 0) parts.push(`${resets} ${resets === 1 ? 'reset' : 'resets'}`);
  return parts.join(', ');
}

/** What the engine did, line by line. */
export function describeEngine(statistics: MachineStatistics): string[] {
  ENGINE_STATISTICS.parse(statistics, 'statistics');
  const { instructions, engine } = statistics;
  EXITS.parse(engine, 'engine');
  const { translatedInstructions, exits } = engine;
  const share = instructions === 0 ? 0 : (100 * translatedInstructions) / instructions;
  return [
    `engine: ${share.toFixed(1)} % of the instructions in translated code, ${engine.decodedPages} decoded pages${engine.decodedPagesEvicted > 0 ? ` (${engine.decodedPagesEvicted} evicted)` : ''}`,
    `regions: ${engine.translated} put in place (${engine.cached} from the cache), ${engine.dropped} dropped, ${engine.regions} live in ${engine.modules} modules${times(engine.evictions, 'evicted')}`,
    `compiled: ${engine.compiled} regions (${engine.late} too late), ${(engine.bytes / 1024).toFixed(0)} KiB of WebAssembly in ${engine.compileMs.toFixed(0)} ms`,
    `exits from translated code: ${EXIT_NAMES.map(([name, text]) => `${exits[name]} ${text}`).join(', ')}`,
  ];
}

const EXIT_NAMES: readonly (readonly [keyof EngineStatistics['exits'], string])[] = [
  ['untranslated', 'to untranslated code'],
  ['otherPage', 'to pages not in the fetch TLB'],
  ['memory', 'data TLB misses'],
  ['system', 'system instructions'],
  ['float', 'floating point'],
  ['guard', 'exceptions and CSRs'],
  ['event', 'ends of slices and interrupts'],
];

const ENGINE_COUNTS = [
  ...['translatedInstructions', 'decodedPages', 'decodedPagesEvicted', 'translated', 'cached', 'dropped', 'regions'],
  ...['modules', 'evictions', 'compiled', 'late', 'bytes', 'compileMs'],
];

function counts(names: readonly string[]): Schema<object> {
  return object(Object.fromEntries(names.map((name) => [name, COUNT])), OPEN);
}

const ENGINE_STATISTICS: Schema<object> = object({ instructions: COUNT, engine: counts(ENGINE_COUNTS) }, OPEN);
const EXITS: Schema<object> = object({ exits: counts(EXIT_NAMES.map(([name]) => name)) }, OPEN);

function times(count: number, what: string): string {
  return count === 0 ? '' : `, ${what} ${count} ${count === 1 ? 'time' : 'times'}`;
}

/** Million instructions per second of execution. */
export function millionsPerSecond({ instructions, busyMs }: MachineStatistics): string {
  return busyMs === 0 ? '0' : (instructions / busyMs / 1000).toFixed(0);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function millions(count: number): string {
  return (count / 1e6).toFixed(1);
}
