import type { Random } from '../../src/isa/generate/random.ts';
import * as I from './image.ts';

/** PMP entries that cases use: pmpaddr0 to pmpaddr7, configured by pmpcfg0. */
export const PMP_ADDRESSES: readonly number[] = Array.from({ length: 8 }, (_, i) => 0x3b0 + i);
export const PMPCFG0 = 0x3a0;
/** With NAPOT: everything. */
export const PMP_OPEN = (1n << 54n) - 1n;

export interface ProtectionEntry {
  readonly config: number;
  readonly address: bigint;
}

const OFF = 0;
const TOR = 1 << 3;
const NA4 = 2 << 3;
const NAPOT = 3 << 3;
const WRITE = 2;
/** Write without read is reserved. */
const PERMISSIONS = [0, 1, 3, 4, 5, 7, 7];

/** pmpaddr of a naturally aligned region of 2^(3 + order) bytes. */
function napot(address: bigint, order: number): bigint {
  const ones = (1n << BigInt(order)) - 1n;
  return ((address >> 2n) & ~((ones << 1n) | 1n)) | ones;
}

/** An entry somewhere around an address. */
function randomEntry(random: Random, near: bigint): ProtectionEntry {
  const permissions = random.pick(PERMISSIONS);
  const place = near + BigInt(random.between(-4, 4) * random.pick([4, 4, 8, 4096]));
  switch (random.below(5)) {
    case 0:
      return { config: OFF | permissions, address: place >> 2n };
    case 1:
      return { config: NA4 | permissions, address: place >> 2n };
    case 2:
    case 3:
      return { config: TOR | permissions, address: place >> 2n };
    default:
      return { config: NAPOT | permissions, address: napot(place, random.below(14)) };
  }
}

/**
 * Eight entries: the first lets the code run, the next six lie around the accessed place or the page tables, the last
 * opens all the rest more often than not. None is locked: the runner itself has to go on.
 */
export function randomProtection(random: Random, near: bigint): ProtectionEntry[] {
  const code = { config: NAPOT | 7, address: napot(BigInt(I.CODE), 9) };
  const tables = BigInt(I.TABLES + random.below(4) * 0x1000);
  const middle = Array.from({ length: 6 }, () => randomEntry(random, random.oneIn(6) ? tables : near));
  const rest = random.oneIn(4)
    ? { config: OFF, address: 0n }
    : { config: NAPOT | random.pick([7, 7, 7, 1, 4]), address: PMP_OPEN };
  return [code, ...middle, rest];
}

/** 3.7.1: the lowest entry that matches any byte decides, and must match all of them. */
export function pmpAllowsWrite(entries: readonly ProtectionEntry[], address: bigint, length: bigint): boolean {
  for (const [i, { config }] of entries.entries()) {
    const [low, high] = range(entries, i);
    if (low >= address + length || high <= address) continue;
    return low <= address && high >= address + length && (config & WRITE) !== 0;
  }
  return false;
}

/** What an entry matches: from the first address to that behind the last; the same twice for nothing. */
function range(entries: readonly ProtectionEntry[], i: number): readonly [bigint, bigint] {
  const { config, address } = entries[i]!;
  switch (config & NAPOT) {
    case TOR:
      return [(entries[i - 1]?.address ?? 0n) << 2n, address << 2n];
    case NA4:
      return [address << 2n, (address << 2n) + 4n];
    case NAPOT: {
      const ones = address ^ (address + 1n);
      return [(address & ~ones) << 2n, ((address & ~ones) + ones + 1n) << 2n];
    }
    default:
      return [0n, 0n];
  }
}
