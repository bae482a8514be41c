import { disassemble, lengthOf } from '../../src/isa/index.ts';
import type { Godwit } from './godwit.ts';
import * as I from './image.ts';
import { runQemu } from './qemu.ts';
import { buildSystemRunner, type SystemLayout } from './system-runner.ts';

/** One case as it went in, and both results. */
export interface SystemResult {
  readonly index: number;
  readonly name: string;
  readonly layout: SystemLayout;
  readonly input: BigUint64Array;
  readonly ours: BigUint64Array;
  readonly theirs: BigUint64Array;
}

/** Whether a word that differs may do so. */
export type Allows = (word: number, result: SystemResult) => boolean;

export type SetWord = (word: number, value: bigint) => void;

const REPORT_LIMIT = 5;

/** Cases for the system runner, over code and data that they share. */
export class SystemBatch {
  readonly layout: SystemLayout;
  private readonly segments: readonly I.Segment[];
  private readonly names: string[] = [];
  private readonly input: BigUint64Array;

  constructor(layout: SystemLayout, capacity: number, segments: readonly I.Segment[]) {
    this.layout = layout;
    this.segments = segments;
    this.input = new BigUint64Array(capacity * layout.words);
  }

  get count(): number {
    return this.names.length;
  }

  /** `fill` sets what is not 0, and gives the case's name. */
  add(fill: (set: SetWord) => string): void {
    const from = this.count * this.layout.words;
    // Slots that a case does not use are words nobody looks at.
    for (let i = 0; i < this.layout.spec.slots; i++)
      this.input[from + this.layout.slotAddress(i)] = BigInt(I.SCRATCH + 8 * i);
    const name = fill((word, value) => {
      this.input[from + word] = BigInt.asUintN(64, value);
    });
    this.names.push(name);
  }

  image(): I.Image {
    const resultBytes = this.count * this.layout.words * 8;
    const end = new Uint8Array(BigUint64Array.of(BigInt(I.RECORDS + resultBytes)).buffer);
    return {
      segments: [
        ...buildSystemRunner(this.layout),
        { address: I.RECORDS_END, data: end },
        ...this.segments,
        { address: I.RECORDS, data: new Uint8Array(this.input.buffer, 0, resultBytes) },
      ],
      resultAddress: I.RECORDS,
      resultBytes,
    };
  }

  /** Runs all cases in both and notes what differs and may not. */
  async compare(godwit: Godwit, allows: Allows, reports: string[]): Promise<void> {
    const image = this.image();
    const qemu = runQemu(image);
    const ours = longs(godwit.run(image));
    const theirs = longs(await qemu);
    const { words } = this.layout;
    let wrong = 0;
    this.names.forEach((name, index) => {
      const record = (of: BigUint64Array) => of.subarray(index * words, (index + 1) * words);
      const result = {
        index,
        name,
        layout: this.layout,
        input: record(this.input),
        ours: record(ours),
        theirs: record(theirs),
      };
      const differing = Array.from({ length: words }, (_, word) => word).filter(
        (word) => result.ours[word] !== result.theirs[word],
      );
      const bad = differing.filter((word) => !allows(word, result));
      if (bad.length > 0 && wrong++ < REPORT_LIMIT) reports.push(this.describe(index, result, bad));
    });
    if (wrong > REPORT_LIMIT) reports.push(`and ${wrong - REPORT_LIMIT} more`);
  }

  private describe(index: number, { name, layout, input, ours, theirs }: SystemResult, bad: readonly number[]): string {
    const row = (word: number) => {
      const values = `before ${hex(input[word]!)}  godwit ${hex(ours[word]!)}  qemu ${hex(theirs[word]!)}`;
      return `  ${bad.includes(word) ? '*' : ' '} ${layout.nameOf(word).padEnd(12)} ${values}`;
    };
    const told = Array.from(ours.keys()).filter(
      (word) => input[word] !== 0n || ours[word] !== 0n || theirs[word] !== 0n,
    );
    const code = this.codeAt(Number(BigInt.asUintN(32, input[0]!)));
    return [`case ${index}: ${name}`, ...code, ...told.map(row)].join('\n');
  }

  /** What a case starts with, where that is in one of the segments. */
  private codeAt(address: number): string[] {
    const found = this.segments.find((one) => one.address <= address && address + 4 <= one.address + one.data.length);
    if (!found) return [];
    const lines: string[] = [];
    const view = new DataView(found.data.buffer, found.data.byteOffset, found.data.byteLength);
    for (let at = address - found.address; at + 4 <= found.data.length && lines.length < 3; ) {
      const bits = view.getUint32(at, true);
      lines.push(`    ${disassemble(bits, BigInt(found.address + at))}`);
      at += lengthOf(bits);
    }
    return lines;
  }
}

const hex = (value: bigint): string => value.toString(16).padStart(16, '0');

function longs(bytes: Uint8Array): BigUint64Array {
  return new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
}
