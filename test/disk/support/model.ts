import { expect } from 'vitest';
import type { Disk } from '../../../src/backend/disk/disk.ts';
import type { Random } from './random.ts';

interface Range {
  offset: number;
  length: number;
}

type Operation = Range & { kind: 'read' | 'write' | 'zero' | 'discard'; data: Uint8Array; unmap: boolean };

export interface WorkloadOptions {
  batches: number;
  /** Operations of one batch run at the same time, on ranges that do not overlap. */
  perBatch: number;
  maxBytes: number;
  flushPercent?: number;
}

/** Does random operations on a disk and on `model`, and compares all that is read. */
export async function runWorkload(
  disk: Disk,
  model: Uint8Array,
  random: Random,
  options: WorkloadOptions,
): Promise<void> {
  for (let batch = 0; batch < options.batches; batch++) {
    const operations = planBatch(model.length, random, options);
    await Promise.all(operations.map((operation) => perform(disk, model, operation)));
    if (random.chance(options.flushPercent ?? 10)) await disk.flush();
  }
}

/** The whole disk reads as the model. */
export async function expectContent(disk: Disk, model: Uint8Array): Promise<void> {
  const step = 1024 * 1024;
  for (let at = 0; at < model.length; at += step) {
    const wanted = model.subarray(at, Math.min(model.length, at + step));
    const found = new Uint8Array(wanted.length);
    await disk.read(at, found);
    expectSame(found, wanted, at);
  }
}

function planBatch(sizeBytes: number, random: Random, options: WorkloadOptions): Operation[] {
  const operations: Operation[] = [];
  for (let count = 1 + random.below(options.perBatch); count > 0; count--) {
    const range = randomRange(sizeBytes, random, options.maxBytes);
    if (operations.some((other) => overlaps(other, range))) continue;
    const kind = random.pick(['read', 'write', 'write', 'write', 'zero', 'discard'] as const);
    const data = kind === 'write' ? random.bytes(range.length) : new Uint8Array(range.length);
    operations.push({ ...range, kind, data, unmap: random.chance(50) });
  }
  return operations;
}

/** Often aligned, and often near a place that was used before, as file systems do. */
function randomRange(sizeBytes: number, random: Random, maxBytes: number): Range {
  const unit = random.pick([1, 512, 4096, 65536]);
  const offset = Math.min(sizeBytes - 1, Math.floor(random.below(sizeBytes) / unit) * unit);
  const wanted = random.chance(50) ? unit * (1 + random.below(4)) : 1 + random.below(maxBytes);
  return { offset, length: Math.min(wanted, maxBytes, sizeBytes - offset) };
}

function overlaps(a: Range, b: Range): boolean {
  return a.offset < b.offset + b.length && b.offset < a.offset + a.length;
}

async function perform(disk: Disk, model: Uint8Array, operation: Operation): Promise<void> {
  const { kind, offset, length, data } = operation;
  const place = model.subarray(offset, offset + length);
  if (kind === 'write') {
    await disk.write(offset, data);
    place.set(data);
  } else if (kind === 'zero') {
    await disk.writeZeroes(offset, length, operation.unmap);
    place.fill(0);
  } else if (kind === 'discard') {
    await disk.discard(offset, length);
    const found = new Uint8Array(length);
    await disk.read(offset, found);
    const bad = found.findIndex((value, at) => value !== 0 && value !== place[at]);
    expect(bad, `after a discard at ${offset}`).toBe(-1);
    place.set(found);
  } else {
    await disk.read(offset, data);
    expectSame(data, place, offset);
  }
}

function expectSame(found: Uint8Array, wanted: Uint8Array, offset: number): void {
  if (Buffer.compare(found, wanted) === 0) return;
  const at = found.findIndex((value, index) => value !== wanted[index]);
  expect.fail(`the disk differs from the model at byte ${offset + at}: ${found[at]} and not ${wanted[at]}`);
}
