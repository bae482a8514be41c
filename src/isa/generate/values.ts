import type { Random } from './random.ts';

/**
 * Register contents with many edge cases. They are written as two 32-bit words, low half first, so that filling whole
 * register files costs no bigint arithmetic.
 */
export type Words = Uint32Array;

function pairs(values: readonly bigint[]): Words {
  const unique = [...new Set(values.map((value) => BigInt.asUintN(64, value)))];
  return Uint32Array.from(unique.flatMap((value) => [Number(value & 0xffff_ffffn), Number(value >> 32n)]));
}

function powersOfTwo(): bigint[] {
  return Array.from({ length: 64 }, (_, k) => 1n << BigInt(k)).flatMap((p) => [
    p - 1n,
    p,
    p + 1n,
    -p - 1n,
    -p,
    -p + 1n,
  ]);
}

/** Zero, ±1, limits of every width, powers of two ±1 and their negatives, patterns of bytes. */
export const INTEGER_EDGES: Words = pairs([
  ...powersOfTwo(),
  0x5555_5555_5555_5555n,
  0xaaaa_aaaa_aaaa_aaaan,
  0x0123_4567_89ab_cdefn,
  0x0000_0000_ffff_ffffn,
  0xffff_ffff_8000_0000n,
  0xffff_ffff_7fff_ffffn,
  0x8000_0000_8000_0000n,
  0x0100_0100_0080_8001n,
]);
const FEW_EDGES: Words = pairs([
  0n,
  0n,
  1n,
  -1n,
  2n,
  -(1n << 63n),
  (1n << 63n) - 1n,
  -(1n << 31n),
  (1n << 31n) - 1n,
  31n,
  32n,
  63n,
  64n,
]);

/** Magnitudes of a binary format where something changes. */
function floatMagnitudes(width: bigint, fractionBits: bigint): bigint[] {
  const bias = (1n << (width - fractionBits - 2n)) - 1n;
  const power = (exponent: bigint) => (exponent + bias) << fractionBits;
  const infinity = ((1n << (width - 1n - fractionBits)) - 1n) << fractionBits;
  const quiet = infinity | (1n << (fractionBits - 1n));
  const half = 1n << (fractionBits - 1n);
  const around = [31n, 32n, 63n, 64n, 23n, 24n, 52n, 53n].flatMap((e) => [power(e) - 1n, power(e), power(e) + 1n]);
  return [
    ...[0n, 1n, 2n, (1n << fractionBits) - 1n, 1n << fractionBits, (1n << fractionBits) + 1n],
    ...[power(-1n), power(0n), power(0n) + 1n, power(0n) - 1n, power(0n) + half, power(1n), power(1n) + half / 2n],
    ...[infinity - 1n, infinity, infinity + 1n, quiet - 1n, quiet, quiet + 1n, quiet | 0x1234n],
    ...around,
  ];
}

function floatEdges(width: bigint, fractionBits: bigint, box: bigint): Words {
  const sign = 1n << (width - 1n);
  return pairs(floatMagnitudes(width, fractionBits).flatMap((m) => [m | box, m | sign | box]));
}

const DOUBLE_EDGES = floatEdges(64n, 52n, 0n);
const SINGLE_EDGES = floatEdges(32n, 23n, 0xffff_ffff_0000_0000n);

function copyEdge(random: Random, edges: Words, into: Words, at: number): void {
  const index = random.below(edges.length / 2) * 2;
  into[at] = edges[index]!;
  into[at + 1] = edges[index + 1]!;
}

/** An integer register's content: edges, or random bits of random length. */
export function writeInteger(random: Random, into: Words, at: number): void {
  const kind = random.word() & 7;
  if (kind < 4) {
    copyEdge(random, kind < 2 ? INTEGER_EDGES : FEW_EDGES, into, at);
    return;
  }
  const low = random.word();
  const high = random.word();
  into[at] = low;
  if (kind === 4) into[at + 1] = low >> 31;
  else if (kind === 5) into[at + 1] = 0;
  else into[at + 1] = high >> (low & 31);
}

/** Few significant bits, so that sums and products round in interesting ways. */
function sparse(random: Random): number {
  return random.oneIn(2) ? random.word() : (random.word() >>> random.below(32)) << random.below(32);
}

function writeSingle(random: Random, into: Words, at: number): void {
  into[at + 1] = 0xffff_ffff;
  const kind = random.word() & 3;
  if (kind === 0) {
    copyEdge(random, SINGLE_EDGES, into, at);
    return;
  }
  const middle = random.pick([127, 127, 127, 100, 150, 158, 190, 1, 253]);
  const exponent = Math.min(254, Math.max(0, middle + random.between(-3, 3)));
  into[at] = kind === 1 ? random.word() : (sparse(random) & 0x807f_ffff) | (exponent << 23);
}

function writeDouble(random: Random, into: Words, at: number): void {
  const kind = random.word() & 3;
  if (kind === 0) {
    copyEdge(random, DOUBLE_EDGES, into, at);
    return;
  }
  const middle = random.pick([1023, 1023, 1023, 996, 1054, 1086, 1150, 896, 1, 2045, 500, 1500]);
  const exponent = Math.min(2046, Math.max(0, middle + random.between(-3, 3)));
  into[at] = kind === 1 ? random.word() : sparse(random);
  into[at + 1] = kind === 1 ? random.word() : (sparse(random) & 0x800f_ffff) | (exponent << 20);
}

/** A floating-point register's content: binary64, boxed binary32, sometimes a broken box. */
export function writeFloat(random: Random, into: Words, at: number): void {
  const kind = random.word() & 15;
  if (kind < 7) {
    writeDouble(random, into, at);
    return;
  }
  writeSingle(random, into, at);
  if (kind === 15) into[at + 1] = random.oneIn(2) ? 0xffff_fffe : random.word();
}
