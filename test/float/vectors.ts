import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Operation, TESTFLOAT_MODES } from './operations.ts';
import { MAXIMUM_RECORDS, RECORD_BYTES, type Runner } from './runner.ts';

/** The first time it is fetched and built, which takes about ten seconds. */
const BUILD_TIMEOUT_MS = 240_000;

/** The path of TestFloat's vector generator, or why there is none. */
export function findGenerator(): { path: string } | { reason: string } {
  const tool = fileURLToPath(new URL('../../tools/testfloat.mjs', import.meta.url));
  const result = spawnSync(process.execPath, [tool], { encoding: 'utf8', timeout: BUILD_TIMEOUT_MS });
  if (result.status === 0) return { path: result.stdout.trim() };
  return { reason: result.stderr.trim().split('\n').at(-1) || 'tools/testfloat.mjs failed' };
}

const HEX = new Uint8Array(256).fill(255);
for (const [value, digit] of [...'0123456789ABCDEF'].entries()) HEX[digit.charCodeAt(0)] = value;

const WORDS = RECORD_BYTES / 4;
/** Where an operand, the result or the flags go in a record, counted in 32-bit words. */
const RESULT_WORD = 6;
const FLAGS_WORD = 8;

/** Writes vectors ("operand ... result flags", hexadecimal, one a line) into the runner's memory as they come. */
class VectorParser {
  records = 0;
  private readonly words: Uint32Array;
  private readonly operation: Operation;
  private field = 0;
  private low = 0;
  private high = 0;
  private digits = 0;

  constructor(runner: Runner, operation: Operation) {
    this.words = runner.words;
    this.operation = operation;
  }

  /** Takes in text from `start`; stops at the end of a record when memory is full. The position reached. */
  consume(text: Uint8Array, start: number): number {
    let i = start;
    for (; i < text.length && this.records < MAXIMUM_RECORDS; i++) {
      const code = text[i]!;
      const value = HEX[code]!;
      if (value !== 255) {
        this.high = (this.high << 4) | (this.low >>> 28);
        this.low = (this.low << 4) | value;
        this.digits++;
      } else if (this.digits > 0) {
        this.endField();
        if (code === 10) this.endRecord();
      }
    }
    return i;
  }

  private endField(): void {
    const { operands, result } = this.operation;
    const base = this.records * WORDS;
    const word =
      this.field < operands.length ? 2 * this.field : this.field === operands.length ? RESULT_WORD : FLAGS_WORD;
    const kind =
      this.field < operands.length ? operands[this.field] : this.field === operands.length ? result : 'flags';
    let high = this.high;
    // Results of 32 bits are sign-extended; of such an operand the upper half must not matter.
    if (word === RESULT_WORD && (kind === 'i32' || kind === 'u32')) high = this.low >> 31;
    else if (kind === 'i32' || kind === 'u32') high = Math.imul(this.low ^ this.records, 0x9e3779b1);
    this.words[base + word] = this.low;
    this.words[base + word + 1] = high;
    this.field++;
    this.low = 0;
    this.high = 0;
    this.digits = 0;
  }

  private endRecord(): void {
    if (this.field !== this.operation.operands.length + 2) throw new Error('a vector has the wrong number of fields');
    this.field = 0;
    this.records++;
  }
}

/** Runs an operation on up to `limit` vectors of the generator. How many were run, and the first failure. */
export async function runVectors(
  generator: string,
  runner: Runner,
  operation: Operation,
  rm: number,
  { limit, level, seed }: { limit: number; level: 1 | 2; seed: number },
): Promise<{ cases: number; failure: string | undefined }> {
  const args = ['-level', String(level), '-seed', String(seed), '-exact', '-tininessafter', TESTFLOAT_MODES[rm]!];
  const child = spawn(generator, [...args, operation.testfloat!], { stdio: ['ignore', 'pipe', 'inherit'] });
  const parser = new VectorParser(runner, operation);
  let cases = 0;
  const flush = () => {
    const failure = runner.failure(operation, parser.records, rm);
    cases += parser.records;
    parser.records = 0;
    return failure;
  };
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; ) {
        at = parser.consume(chunk, at);
        if (parser.records < MAXIMUM_RECORDS) continue;
        const failure = flush();
        if (failure) return { cases, failure };
      }
      if (cases + parser.records >= limit) break;
    }
    const failure = flush();
    return { cases, failure };
  } finally {
    child.kill();
  }
}
