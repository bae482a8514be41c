import { decode, disassemble, lengthOf } from '../../src/isa/index.ts';
import type { Batch } from './batch.ts';
import { DIFFERENCES } from './differences.ts';
import type { Godwit } from './godwit.ts';
import { runQemu } from './qemu.ts';
import * as R from './record.ts';

export interface Mismatch {
  readonly index: number;
  /** Words of the record that differ and may not. */
  readonly words: readonly number[];
}

export interface Outcome {
  readonly ours: BigUint64Array;
  readonly theirs: BigUint64Array;
  readonly mismatches: readonly Mismatch[];
}

const MISMATCH_LIMIT = 200;

/** Runs a batch in both and compares every record, byte for byte first. */
export async function compareBatch(batch: Batch, godwit: Godwit): Promise<Outcome> {
  const qemu = runQemu(batch.image('qemu'));
  const ours = longs(godwit.run(batch.image('godwit')));
  const theirs = longs(await qemu);
  return { ours, theirs, mismatches: mismatchesOf(batch, ours, theirs) };
}

function longs(bytes: Uint8Array): BigUint64Array {
  return new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
}

export function mismatchesOf(batch: Batch, ours: BigUint64Array, theirs: BigUint64Array): Mismatch[] {
  const a = Buffer.from(ours.buffer, ours.byteOffset, ours.byteLength);
  const b = Buffer.from(theirs.buffer, theirs.byteOffset, theirs.byteLength);
  const found: Mismatch[] = [];
  for (let at = 0; at < a.length && found.length < MISMATCH_LIMIT; at += R.RECORD_BYTES) {
    if (a.compare(b, at, at + R.RECORD_BYTES, at, at + R.RECORD_BYTES) === 0) continue;
    const index = at / R.RECORD_BYTES;
    const record = (of: BigUint64Array) => of.subarray(at / 8, at / 8 + R.RECORD_WORDS);
    const words = differingWords(record(ours), record(theirs), batch.listings[index]!.name);
    if (words.length > 0) found.push({ index, words });
  }
  return found;
}

function differingWords(ours: BigUint64Array, theirs: BigUint64Array, name: string): number[] {
  const words: number[] = [];
  for (let word = 0; word < R.RECORD_WORDS; word++) {
    if (ours[word] === theirs[word]) continue;
    if (!DIFFERENCES.some(({ allows }) => allows(word, ours, theirs, name))) words.push(word);
  }
  return words;
}

/** The shortest beginning of a case's code after which the two differ, as a batch of its own. */
export async function shortest(
  batch: Batch,
  godwit: Godwit,
  { index }: Mismatch,
): Promise<{ batch: Batch; outcome: Outcome } | undefined> {
  const starts = [...instructionsOf(batch, index)].map(
    ({ address }) => Number(address) - batch.listings[index]!.address,
  );
  let low = 1;
  let high = starts.length - 1;
  let found: { batch: Batch; outcome: Outcome } | undefined;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const one = batch.prefix(index, starts[middle]!);
    const outcome = await compareBatch(one, godwit);
    if (outcome.mismatches.length > 0) found = { batch: one, outcome };
    if (outcome.mismatches.length > 0) high = middle - 1;
    else low = middle + 1;
  }
  return found;
}

const hex = (value: bigint): string => value.toString(16).padStart(16, '0');

/** A mismatch as a person wants to see it: code, operands, both results. */
export function describeMismatch(batch: Batch, { ours, theirs }: Outcome, { index, words }: Mismatch): string {
  const input = longs(new Uint8Array(batch.input.buffer, index * R.RECORD_BYTES, R.RECORD_BYTES));
  const from = index * R.RECORD_WORDS;
  const row = (word: number) =>
    `    ${R.RECORD_NAMES[word]!.padEnd(12)} before ${hex(input[word]!)}  godwit ${hex(ours[from + word]!)}  qemu ${hex(theirs[from + word]!)}`;
  const always = [R.R_PC, R.R_CAUSE, R.R_TVAL, R.R_FCSR, R.R_STATUS].filter((word) => !words.includes(word));
  const used = operandWords(batch, index).filter((word) => !words.includes(word) && !always.includes(word));
  return [
    `case ${index} (${batch.listings[index]!.name})`,
    ...listing(batch, index).map((line) => `    ${line}`),
    '  differ:',
    ...words.map(row),
    '  others:',
    ...[...always, ...used].map(row),
  ].join('\n');
}

function* instructionsOf(batch: Batch, index: number): Generator<{ address: bigint; bits: number }> {
  const code = batch.codeOf(index);
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const start = BigInt(batch.listings[index]!.address);
  for (let at = 0; at + 2 <= code.length; ) {
    const low = view.getUint16(at, true);
    const length = lengthOf(low);
    const bits = length === 2 || at + 4 > code.length ? low : view.getUint32(at, true);
    yield { address: start + BigInt(at), bits };
    at += length;
  }
}

function listing(batch: Batch, index: number): string[] {
  return [...instructionsOf(batch, index)].map(
    ({ address, bits }) => `${address.toString(16)}: ${bits.toString(16).padStart(8)}  ${disassemble(bits, address)}`,
  );
}

/** Registers that the code names. */
function operandWords(batch: Batch, index: number): number[] {
  const words = new Set<number>();
  for (const { bits } of instructionsOf(batch, index)) {
    const d = decode(bits);
    if (!d) continue;
    const { fields } = d.instruction.encoding;
    const integer = !/^f/.test(d.instruction.name) || d.instruction.syntax.includes('r');
    for (const field of ['rd', 'rs1', 'rs2', 'rs3'] as const) {
      if (!fields.has(field)) continue;
      if (integer && d[field] > 0) words.add(d[field]);
      if (/^f/.test(d.instruction.name)) words.add(R.R_F + d[field]);
    }
  }
  return [...words].slice(0, 24);
}
