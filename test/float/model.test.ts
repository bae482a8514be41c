import { describe, expect, it } from 'vitest';
import * as model from './model.ts';
import { edgesOf, randomOperand } from './operands.ts';
import { type Format, modesOf, OPERATIONS, type Operation } from './operations.ts';
import { Random } from './random.ts';
import { RECORD_BYTES, Runner } from './runner.ts';

/** Every operation against the definition of its result, without any program from outside. */
const long = process.env.GODWIT_LONG === '1';
const RANDOM_CASES = long ? 60_000 : 1500;
const SEED = Number(process.env.GODWIT_SEED ?? 20_250_601);

type Operands = readonly [bigint, bigint, bigint];

const ARITHMETIC = { add: model.add, sub: model.sub, mul: model.mul, div: model.div };

function expected(operation: Operation, [a, b, c]: Operands, rm: number): model.Outcome {
  const [subject, name, integer] = operation.name.split('.') as [string, string, string];
  if (subject === 'f32ToF64') return model.convert('f32', 'f64', a, rm);
  if (subject === 'f64ToF32') return model.convert('f64', 'f32', a, rm);
  const format = subject as Format;
  switch (name) {
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
      return ARITHMETIC[name](format, a, b, rm);
    case 'fma':
      return model.fma(format, [a, b, c], rm);
    case 'sqrt':
      return model.sqrt(format, a, rm);
    case 'min':
    case 'max':
      return model.extreme(format, name, a, b);
    case 'eq':
    case 'lt':
    case 'le':
      return model.compare(format, name, a, b);
    case 'classify':
      return model.classify(format, a);
    case 'to':
      return model.toInteger(format, integer, a, rm);
    case 'from':
      return model.fromInteger(format, integer, a, rm);
    default:
      throw new Error(`the model does not know ${operation.name}`);
  }
}

/** All combinations of edges; for three operands a part of them, a different one in each mode. */
function edgeOperands(operation: Operation, random: Random): Operands[] {
  const edges = operation.operands.map(edgesOf);
  if (edges.length === 1) return edges[0]!.map((a) => [a, 0n, 0n]);
  const pairs = edges[0]!.flatMap((a) => edges[1]!.map((b): Operands => [a, b, 0n]));
  if (edges.length === 2) return pairs;
  return pairs.flatMap(([a, b]) => [0, 1].map((): Operands => [a, b, random.pick(edges[2]!)]));
}

function randomOperands(operation: Operation, random: Random, rm: number): Operands {
  const [a = 0n, b = 0n, c = 0n] = operation.operands.map((kind) => randomOperand(kind, random));
  if (operation.operands.length < 3 || random.below(2) === 0) return [a, b, c];
  // An addend next to minus the product, so that most of both cancels.
  const format = operation.operands[0] as Format;
  const { width } = model.SHAPES[format];
  const product = model.mul(format, a, b, rm).bits ^ (1n << (width - 1n));
  return [a, b, BigInt.asUintN(Number(width), product + BigInt(random.below(5) - 2))];
}

const runner = new Runner();

function check(operation: Operation, rm: number, cases: readonly Operands[]): void {
  for (const [index, operands] of cases.entries()) {
    const outcome = expected(operation, operands, rm);
    runner.longs.set([...operands, outcome.bits, outcome.flags], (index * RECORD_BYTES) / 8);
  }
  expect(runner.failure(operation, cases.length, rm), `seed ${SEED}`).toBeUndefined();
}

describe('operations against their definition', () => {
  for (const operation of OPERATIONS) {
    it(operation.name, { timeout: long ? 600_000 : 30_000 }, () => {
      const random = new Random(SEED);
      for (const rm of modesOf(operation)) {
        check(operation, rm, edgeOperands(operation, random));
        check(
          operation,
          rm,
          Array.from({ length: RANDOM_CASES }, () => randomOperands(operation, random, rm)),
        );
      }
    });
  }
});
