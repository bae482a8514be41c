import { expect } from 'vitest';
import type { SpeedscopeFile } from '../../src/profile/index.ts';

/**
 * What https://www.speedscope.app/file-format-schema.json asks of a file with sampled profiles, and that its parts
 * agree.
 */
export function expectSpeedscope(value: unknown): SpeedscopeFile {
  const file = value as SpeedscopeFile;
  expect(file.$schema).toBe('https://www.speedscope.app/file-format-schema.json');
  expect(file.shared.frames.every(({ name }) => typeof name === 'string' && name !== '')).toBe(true);
  expect(new Set(file.shared.frames.map(({ name }) => name)).size).toBe(file.shared.frames.length);
  expect(file.profiles.length).toBe(1);
  expect(file.activeProfileIndex).toBe(0);
  const [profile] = file.profiles;
  expect(profile.type).toBe('sampled');
  expect(typeof profile.name).toBe('string');
  expect(['none', 'nanoseconds', 'microseconds', 'milliseconds', 'seconds', 'bytes']).toContain(profile.unit);
  expect(profile.samples.length).toBe(profile.weights.length);
  const frames = file.shared.frames.length;
  const sound = (index: number) => Number.isInteger(index) && index >= 0 && index < frames;
  expect(profile.samples.every((stack) => stack.length > 0 && stack.every(sound))).toBe(true);
  expect(profile.weights.every((weight) => weight >= 0)).toBe(true);
  const total = profile.weights.reduce((sum, weight) => sum + weight, 0);
  expect(profile.endValue - profile.startValue).toBeCloseTo(total, 3);
  return file;
}

/** The share of the weight that stacks with this frame have. */
export function shareOf({ shared, profiles: [profile] }: SpeedscopeFile, frame: string): number {
  const index = shared.frames.findIndex(({ name }) => name === frame);
  const total = profile.weights.reduce((sum, weight) => sum + weight, 0);
  return (
    profile.weights.reduce((sum, weight, i) => (profile.samples[i]!.includes(index) ? sum + weight : sum), 0) / total
  );
}
