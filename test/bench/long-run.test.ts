import { describe, expect, it } from 'vitest';
import { renderLongRun, seriesFigures, trendBytesPerHour } from '../../bench/long-run-report.ts';
import type { MemorySample } from '../../bench/memory-sample.ts';
import { mixedWork, workOfSuite, workOnDebian } from '../../bench/mixed-work.ts';
import { parseOptions } from '../../bench/options.ts';
import { slope } from '../../bench/statistics.ts';

const MINUTE_MS = 60_000;

function sample(minute: number, residentBytes: number): MemorySample {
  const counts = {
    fileBytes: 40e6,
    heapBytes: 9e6,
    instructions: 1,
    modules: 300,
    regions: 1000,
    liveCodeBytes: 0,
    codeBytes: 1e6,
    evictions: 2,
  };
  return {
    atMs: minute * MINUTE_MS,
    residentBytes,
    guestBytes: 100e6,
    decodedPages: 7,
    decodedPagesEvicted: 0,
    ...counts,
  };
}

describe('mixed work', () => {
  const take = (seed: number, count: number) => {
    const sequence = mixedWork(workOnDebian({ python3: '3', gzip: '1', gcc: '14', perl: '5' }), seed);
    return Array.from({ length: count }, () => sequence.next().value);
  };

  it('is the same for the same seed', () => {
    expect(take(5, 50)).toEqual(take(5, 50));
    expect(take(5, 50)).not.toEqual(take(6, 50));
  });

  it('needs only what is on the disk, and all of that', () => {
    expect(new Set(take(1, 200).map(({ name }) => name))).toEqual(new Set(['python3', 'gzip', 'gcc', 'shell']));
  });

  it('stays within the counts', () => {
    const limits = new Map(workOfSuite().map((choice) => [choice.name, choice]));
    const sequence = mixedWork(workOfSuite(), 9);
    for (let i = 0; i < 500; i++) {
      const { name, repetitions } = sequence.next().value;
      const { least, most } = limits.get(name)!;
      expect(repetitions).toBeGreaterThanOrEqual(least);
      expect(repetitions).toBeLessThanOrEqual(most);
    }
  });
});

describe('figures of a long run', () => {
  it('are first, middle, highest and last', () => {
    expect(seriesFigures([3, 9, 1, 5, 4])).toEqual({ first: 3, median: 4, most: 9, last: 4 });
  });

  it('have the trend of the second half', () => {
    expect(
      slope([
        [0, 1],
        [1, 3],
        [2, 5],
      ]),
    ).toBeCloseTo(2, 12);
    expect(slope([[0, 1]])).toBeNaN();
    const samples = [sample(0, 120e6), sample(1, 500e6), sample(2, 200e6), sample(3, 201e6), sample(4, 202e6)];
    expect(trendBytesPerHour(samples)).toBeCloseTo(60e6, 0);
  });

  it('are a table', () => {
    const samples = [sample(0, 150e6), sample(1, 180e6), sample(2, 170e6)];
    const text = renderLongRun({ guest: 'Debian', seed: 1, seconds: 120, runs: { gzip: 2, xz: 1 }, samples });
    expect(text).toContain('Long run of 2.0 minutes, Debian: 3 programs');
    expect(text).toMatch(/resident beyond guest RAM, MB +50 +70 +80 +70\n/);
    expect(text).toMatch(/-600 MB an hour/);
    expect(renderLongRun({ guest: 'Debian', seed: 1, seconds: 1, runs: {}, samples: [] })).toMatch(/too short/);
  });
});

it('takes place only when it is named', () => {
  expect(parseOptions([]).longRunMinutes).toBe(0);
  expect(parseOptions(['--only', 'long-run']).longRunMinutes).toBe(5);
  expect(parseOptions(['--only', 'long-run', '--minutes', '60'])).toMatchObject({
    longRunMinutes: 60,
    kernels: [],
    programs: [],
  });
});
