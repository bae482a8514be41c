import type { Random } from '../../src/isa/generate/random.ts';
import { writeFloat, writeInteger } from '../../src/isa/generate/values.ts';
import { lengthOf } from '../../src/isa/index.ts';
import * as I from './image.ts';
import * as R from './record.ts';
import { BARE, buildRunner, type RunnerOptions } from './runner.ts';
import { spelledForQemu } from './spelling.ts';

/** `ecall`, which ends a case with a trap that has no value of its own. */
export const END = 0x0000_0073;

/** Which test program a batch is for. */
export type Side = 'godwit' | 'qemu';

const STATUS_M = 3 << 11;

/** Code of a case, for reports. */
export interface Listing {
  readonly name: string;
  readonly address: number;
  readonly bytes: number;
}

/** Where and how a batch's cases run. */
export interface BatchOptions extends RunnerOptions {
  /** Page tables and the like. */
  readonly segments: readonly I.Segment[];
  /** Virtual address of the code. Its pages lie in memory in reverse order, unless it is where the code is. */
  readonly codeAddress: number;
}

const BARE_BATCH: BatchOptions = { ...BARE, segments: [], codeAddress: I.CODE };
const PAGE_BYTES = 4096;

/** A test program in the making: code and one record for each case. */
export class Batch {
  readonly capacity: number;
  readonly listings: Listing[] = [];
  readonly input: Uint32Array;
  private readonly code = {
    godwit: new Uint16Array((I.CODE_END - I.CODE) / 2),
    qemu: new Uint16Array((I.CODE_END - I.CODE) / 2),
  };
  private readonly farCells: { godwit: I.Segment; qemu: I.Segment }[] = [];
  private position = 0;
  private readonly options: BatchOptions;

  constructor(capacity: number, options = BARE_BATCH) {
    this.capacity = Math.min(capacity, Math.floor((I.RECORDS_LIMIT - I.RECORDS) / R.RECORD_BYTES));
    this.input = new Uint32Array(this.capacity * R.RECORD_WORDS * 2);
    this.options = options;
  }

  get count(): number {
    return this.listings.length;
  }

  /** Room for one more case of at most this much code. */
  hasRoom(bytes: number): boolean {
    return this.count < this.capacity && 2 * this.position + bytes + 8 <= I.CODE_END - I.CODE;
  }

  get nextAddress(): number {
    return this.options.codeAddress + 2 * this.position;
  }

  /** Puts code at the next free place and leaves zeros around it. */
  place(bits: readonly number[], before = 0, after = 0): number {
    this.position += before / 2;
    const address = this.nextAddress;
    for (const one of bits) this.append(one);
    this.position += after / 2;
    return address;
  }

  private append(bits: number): void {
    const theirs = spelledForQemu(bits);
    this.code.godwit[this.position] = bits & 0xffff;
    this.code.qemu[this.position++] = theirs & 0xffff;
    if (lengthOf(bits) === 2) return;
    this.code.godwit[this.position] = bits >>> 16;
    this.code.qemu[this.position++] = theirs >>> 16;
  }

  /** Puts one instruction and an `ecall` at `offset` of a far cell; undefined when there is none left. */
  placeFar(bits: number, offset: number): number | undefined {
    if (this.farCells.length === I.FAR_CELL_COUNT) return undefined;
    const address = I.FAR_CELLS + this.farCells.length * I.FAR_CELL_BYTES + offset;
    const halves = lengthOf(bits) === 2 ? [bits] : [bits & 0xffff, bits >>> 16];
    const data = new Uint8Array(Uint16Array.from([...halves, END & 0xffff, END >>> 16]).buffer);
    this.farCells.push({ godwit: { address, data }, qemu: { address, data } });
    return address;
  }

  /** The next case: fills its record at random. Returns the index of the record's first 32-bit word in `input`. */
  begin(name: string, address: number, bytes: number, random: Random): number {
    const at = this.count * R.RECORD_WORDS * 2;
    this.listings.push({ name, address, bytes });
    const { input } = this;
    input[at] = address;
    for (let i = 1; i < 32; i++) writeInteger(random, input, at + 2 * i);
    for (let i = 0; i < 32; i++) writeFloat(random, input, at + 2 * (R.R_F + i));
    input[at + 2 * R.R_FCSR] = random.below(5) * 32 + (random.oneIn(2) ? 0 : random.below(32));
    input[at + 2 * R.R_STATUS] = STATUS_M | (random.between(1, 3) << 13);
    for (let i = 0; i < R.SCRATCH_WORDS; i++) writeInteger(random, input, at + 2 * (R.R_SCRATCH + i));
    for (let i = 0; i < R.SUPERVISOR_CSRS.length; i++) writeInteger(random, input, at + 2 * (R.R_SUPERVISOR + i));
    return at;
  }

  /** Sets a word of the record that `begin` gave. */
  set(at: number, word: number, value: bigint): void {
    this.input[at + 2 * word] = Number(value & 0xffff_ffffn);
    this.input[at + 2 * word + 1] = Number((value >> 32n) & 0xffff_ffffn);
  }

  image(side: Side): I.Image {
    const resultBytes = this.count * R.RECORD_BYTES;
    const end = new Uint8Array(BigUint64Array.of(BigInt(I.RECORDS + resultBytes)).buffer);
    return {
      segments: [
        { address: I.RUNNER, data: buildRunner(this.options) },
        { address: I.RECORDS_END, data: end },
        ...this.codeSegments(side),
        ...this.options.segments,
        ...this.farCells.map((cell) => cell[side]),
        { address: I.RECORDS, data: new Uint8Array(this.input.buffer, 0, resultBytes) },
      ],
      resultAddress: I.RECORDS,
      resultBytes,
    };
  }

  private codeSegments(side: Side): I.Segment[] {
    const { buffer } = this.code[side];
    const bytes = 2 * this.position;
    if (this.options.codeAddress === I.CODE) return [{ address: I.CODE, data: new Uint8Array(buffer, 0, bytes) }];
    const pages = Array.from({ length: Math.ceil(bytes / PAGE_BYTES) }, (_, page) => page * PAGE_BYTES);
    return pages.map((offset) => ({
      address: I.CODE_END - PAGE_BYTES - offset,
      data: new Uint8Array(buffer, offset, PAGE_BYTES),
    }));
  }

  /** Code of a case, as godwit runs it. */
  codeOf(index: number): Uint8Array {
    const { address, bytes } = this.listings[index]!;
    for (const { godwit } of this.farCells) {
      if (godwit.address === address) return godwit.data;
    }
    return new Uint8Array(this.code.godwit.buffer, address - this.options.codeAddress, bytes);
  }

  /** A batch of one case of this, cut off after so many bytes of its code, at the same addresses. */
  prefix(index: number, bytes: number): Batch {
    const one = new Batch(1, this.options);
    const { address, name } = this.listings[index]!;
    one.position = (address - this.options.codeAddress) / 2;
    for (const side of ['godwit', 'qemu'] as const) {
      one.code[side].set(this.code[side].subarray(one.position, one.position + bytes / 2), one.position);
    }
    one.position += bytes / 2;
    one.place([END]);
    one.listings.push({ name, address, bytes: bytes + 4 });
    const from = index * R.RECORD_WORDS * 2;
    one.input.set(this.input.subarray(from, from + R.RECORD_WORDS * 2));
    return one;
  }
}
