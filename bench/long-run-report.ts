/** The table of a long run. */
import type { LongRun } from './long-run.ts';
import { beyondGuestBytes, type MemorySample } from './memory-sample.ts';
import { layOut } from './report.ts';
import { median, slope } from './statistics.ts';

const MS_PER_HOUR = 3_600_000;
const MEGABYTE = 1e6;

export interface SeriesFigures {
  readonly first: number;
  readonly median: number;
  readonly most: number;
  readonly last: number;
}

export function seriesFigures(values: readonly number[]): SeriesFigures {
  return { first: values[0]!, median: median(values), most: Math.max(...values), last: values.at(-1)! };
}

/** How resident memory beyond the guest's changed over the second half, when caches are full: bytes an hour. */
export function trendBytesPerHour(samples: readonly MemorySample[]): number {
  const late = samples.slice(Math.floor(samples.length / 2));
  return slope(late.map((sample) => [sample.atMs / MS_PER_HOUR, beyondGuestBytes(sample)]));
}

export function renderLongRun({ guest, seconds, runs, samples }: LongRun): string {
  if (samples.length === 0) return 'Long run: it was too short for figures.';
  const row = (label: string, unit: number, of: (sample: MemorySample) => number): string[] => {
    const { first, median: middle, most, last } = seriesFigures(samples.map(of));
    return [label, ...[first, middle, most, last].map((value) => (value / unit).toFixed(0))];
  };
  const table = layOut([
    ['', 'first', 'median', 'most', 'last'],
    row('resident beyond guest RAM, MB', MEGABYTE, beyondGuestBytes),
    row('of that files: Node.js itself, MB', MEGABYTE, ({ fileBytes }) => fileBytes),
    row("of that V8's heap, MB", MEGABYTE, ({ heapBytes }) => heapBytes),
    row('touched guest RAM, MB', MEGABYTE, ({ guestBytes }) => guestBytes),
    row('live modules', 1, ({ modules }) => modules),
    row('live regions', 1, ({ regions }) => regions),
    row('live WebAssembly, MB', MEGABYTE, ({ liveCodeBytes }) => liveCodeBytes),
    row('decoded pages', 1, ({ decodedPages }) => decodedPages),
    row('decoded pages evicted so far', 1, ({ decodedPagesEvicted }) => decodedPagesEvicted),
    row('WebAssembly made so far, MB', MEGABYTE, ({ codeBytes }) => codeBytes),
    row('times old translations were evicted', 1, ({ evictions }) => evictions),
  ]);
  const count = Object.values(runs).reduce((sum, n) => sum + n, 0);
  const trend = trendBytesPerHour(samples) / MEGABYTE;
  return [
    `Long run of ${(seconds / 60).toFixed(1)} minutes, ${guest}: ${count} programs`,
    table,
    `Trend of resident memory beyond guest RAM over the second half: ${trend.toFixed(0)} MB an hour`,
  ].join('\n');
}
