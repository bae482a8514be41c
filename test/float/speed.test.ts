import { expect, it } from 'vitest';
import { OPERATIONS, type Operation } from './operations.ts';
import { Random } from './random.ts';
import { RECORD_BYTES, Runner } from './runner.ts';

/**
 * GODWIT_SPEED=1 prints what a call takes, in nanoseconds, on ordinary numbers: exact, fast, fast with inexact raised.
 */
const COUNT = 2000;
const ROUNDS = 400;
const SEED = 5;

const bits = new BigInt64Array(1);
const double = new Float64Array(bits.buffer);
const single = new Float32Array(bits.buffer);

function ordinaryOperand(kind: string | undefined, random: Random): bigint {
  const value = (random.word() / 2 ** 32 + random.word() / 2 ** 52) * 1000;
  bits[0] = 0n;
  if (kind === 'f32') single[0] = value;
  else if (kind === 'f64') double[0] = value;
  else bits[0] = random.bits(64);
  return bits[0]!;
}

function fill(runner: Runner, operation: Operation): void {
  const random = new Random(SEED);
  for (let index = 0; index < COUNT; index++) {
    const operands = [0, 1, 2].map((k) => ordinaryOperand(operation.operands[k], random));
    runner.longs.set([...operands, 0n, 0n], (index * RECORD_BYTES) / 8);
  }
}

it.runIf(process.env.GODWIT_SPEED === '1')('nanoseconds per call', { timeout: 600_000 }, () => {
  const runner = new Runner();
  const lines = ['operation        exact    fast  raised'];
  for (const operation of OPERATIONS) {
    fill(runner, operation);
    runner.expectExact(operation, COUNT, 0);
    expect(runner.failure(operation, COUNT, 0)).toBeUndefined();
    const times = runner.measure(operation, COUNT, 0, ROUNDS).map((time) => time.toFixed(1).padStart(7));
    lines.push(`${operation.name.padEnd(14)} ${times.join(' ')}`);
  }
  console.log(lines.join('\n'));
});
