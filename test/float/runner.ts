import { defineFloat } from '../../src/execute/float/index.ts';
import { i32, ModuleBuilder, type Value } from '../../src/execute/wasm/index.ts';
import { MODE_NAMES, OPERATIONS, type Operation } from './operations.ts';

/**
 * Cases lie in memory as records of 40 bytes, so that hundreds of thousands are run without a JavaScript call for each:
 *
 *     0  a   8  b   16  c   operands; 32-bit patterns in the lower half
 *     24 z                  expected result
 *     32 flags              expected flags
 */
export const RECORD_BYTES = 40;
const RECORDS = 0x10000;
const PAGES = 80;
const LONGS = RECORD_BYTES / 8;
export const MAXIMUM_RECORDS = Math.floor((PAGES * 0x10000 - RECORDS) / RECORD_BYTES);

const HART = 0x100;
const FFLAGS = 0x48;
const GOT_RESULT = 0x800;
const GOT_FLAGS = 0x808;

type Run = (count: number, rm: number, flags: number, flagsMask: number) => number;

const ALL_FLAGS = 31;

/** Defines `run(count, rm, flags, flagsMask)`: the number of the first record whose result or flags differ, or -1. */
function defineRun(module: ModuleBuilder, operation: Operation, functions: ReturnType<typeof defineFloat>): void {
  const callee = operation.callable(functions);
  const run = module.function(
    `run ${operation.name}`,
    ['i32', 'i32', 'i32', 'i32'],
    'i32',
    (f, count, rm, flags, mask) => {
      const record = f.local('i32');
      const index = f.local('i32');
      f.set(record, i32(RECORDS));
      f.loop((again) => {
        f.if(index.get.geU(count.get), () => f.return(i32(-1)));
        f.store(i32(HART), flags.get, FFLAGS);
        const operands = operation.operands.map((kind, k): Value => {
          const operand = record.get.load64(8 * k);
          return kind === 'f32' ? operand.wrap() : operand;
        });
        const args = [...(operation.takesHart ? [i32(HART)] : []), ...operands, ...(operation.rounds ? [rm.get] : [])];
        const wide = { ...callee, result: 'i64' } as const;
        const narrow = { ...callee, result: 'i32' } as const;
        const result = f.let(callee.result === 'i32' ? f.call(narrow, ...args).extendU() : f.call(wide, ...args));
        const raised = f.let(i32(HART).load(FFLAGS).extendU());
        const expectedFlags = record.get.load64(32).or(flags.get.extendU());
        f.if(result.ne(record.get.load64(24)).or(raised.xor(expectedFlags).and(mask.get.extendU()).ne(0)), () => {
          f.store(i32(GOT_RESULT), result);
          f.store(i32(GOT_FLAGS), raised);
          f.return(index.get);
        });
        f.set(index, index.get.add(1));
        f.set(record, record.get.add(RECORD_BYTES));
        f.branch(again);
      });
      f.unreachable();
    },
  );
  module.export(run, operation.name);
}

export class Runner {
  readonly memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  /** Records as pairs of 32-bit numbers, and as 64-bit numbers. */
  readonly words = new Uint32Array(this.memory.buffer, RECORDS);
  readonly longs = new BigInt64Array(this.memory.buffer, RECORDS);
  private readonly variants: { name: string; exports: Record<string, unknown>; flags: number }[];

  constructor() {
    const exact = this.instantiate(false);
    const fast = this.instantiate(true);
    this.variants = [
      { name: 'exact', exports: exact, flags: 0 },
      { name: 'fast, inexact not raised before', exports: fast, flags: 0 },
      { name: 'fast, inexact raised before', exports: fast, flags: 1 },
      { name: 'fast, everything but inexact raised before', exports: fast, flags: 30 },
    ];
  }

  private instantiate(fastPaths: boolean): Record<string, unknown> {
    const module = new ModuleBuilder({ initialPages: PAGES, maximumPages: PAGES, shared: false });
    const functions = defineFloat(module, FFLAGS, { fastPaths });
    for (const operation of OPERATIONS) defineRun(module, operation, functions);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module.finish()), {
      env: { memory: this.memory },
    });
    return instance.exports;
  }

  /** Runs the records in memory in all variants; the first failure in words, or undefined. */
  failure(operation: Operation, count: number, rm: number, flagsMask = ALL_FLAGS): string | undefined {
    for (const { name, exports, flags } of this.variants) {
      const index = (exports[operation.name] as Run)(count, rm, flags, flagsMask);
      if (index >= 0) return this.describe(operation, index, rm, name, flags);
    }
    return undefined;
  }

  /** The same for expected results without expected flags. */
  resultFailure(operation: Operation, count: number, rm: number): string | undefined {
    return this.failure(operation, count, rm, 0);
  }

  private describe(operation: Operation, index: number, rm: number, variant: string, flags: number): string {
    const hex = (value: bigint) => BigInt.asUintN(64, value).toString(16).padStart(16, '0');
    const field = (k: number) => this.longs[(index * RECORD_BYTES) / 8 + k]!;
    const operands = operation.operands.map((_, k) => hex(field(k))).join(' ');
    const got = new BigInt64Array(this.memory.buffer, GOT_RESULT, 2);
    const expected = `${hex(field(3))} flags ${(field(4) | BigInt(flags)).toString(2)}`;
    return (
      `${operation.name} ${MODE_NAMES[rm]} (${variant}) of ${operands}: ` +
      `got ${hex(got[0]!)} flags ${got[1]!.toString(2)}, expected ${expected}`
    );
  }

  /** Puts what the exact variant gives into the first records, as what is expected. */
  expectExact(operation: Operation, count: number, rm: number): void {
    const run = this.variants[0]!.exports[operation.name] as Run;
    const got = new BigInt64Array(this.memory.buffer, GOT_RESULT, 2);
    const first = this.longs.slice(0, LONGS);
    const outcomes: bigint[] = [];
    for (let index = 0; index < count; index++) {
      this.longs.copyWithin(0, index * LONGS, (index + 1) * LONGS);
      // No operation raises such a flag, so the record differs and its outcome is left in memory.
      this.longs[4] = BigInt(ALL_FLAGS + 1);
      run(1, rm, 0, 2 * ALL_FLAGS + 1);
      outcomes.push(got[0]!, got[1]!);
    }
    this.longs.set(first);
    for (let index = 0; index < count; index++) {
      this.longs.set(outcomes.slice(2 * index, 2 * index + 2), index * LONGS + 3);
    }
  }

  /** Nanoseconds that a call takes, loop and comparison included: exact, fast, and fast with inexact raised before. */
  measure(operation: Operation, count: number, rm: number, rounds: number): number[] {
    return this.variants.slice(0, 3).map(({ exports, flags }) => {
      const run = exports[operation.name] as Run;
      let least = Number.POSITIVE_INFINITY;
      for (let round = 0; round < rounds; round++) {
        const start = process.hrtime.bigint();
        run(count, rm, flags, ALL_FLAGS);
        least = Math.min(least, Number(process.hrtime.bigint() - start));
      }
      return least / count;
    });
  }
}
