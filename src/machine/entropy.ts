import { GodwitError } from '../common/errors.ts';
import type { Entropy } from '../device/device.ts';
import type { PlainData, Stateful } from '../state/plain-data.ts';
import { StateReader } from '../state/state-reader.ts';

const VERSION = 1;
const SEED_BYTES = 32;
const BLOCK_BYTES = 64;
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

function checkedSeed(seed: Uint8Array): Uint8Array {
  if (seed.length !== SEED_BYTES) throw new GodwitError('usage', `a machine's seed has ${SEED_BYTES} bytes`);
  return seed.slice();
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

function quarterRound(s: Uint32Array, a: number, b: number, c: number, d: number): void {
  s[a] = s[a]! + s[b]!;
  s[d] = rotate(s[d]! ^ s[a]!, 16);
  s[c] = s[c]! + s[d]!;
  s[b] = rotate(s[b]! ^ s[c]!, 12);
  s[a] = s[a]! + s[b]!;
  s[d] = rotate(s[d]! ^ s[a]!, 8);
  s[c] = s[c]! + s[d]!;
  s[b] = rotate(s[b]! ^ s[c]!, 7);
}

/**
 * The machine's random bytes: the ChaCha20 key stream (RFC 8439, 2.3) of its seed. A seed comes from outside;
 * everything after it follows, so replays need no log of it.
 */
export class SeededEntropy implements Entropy, Stateful {
  private seed: Uint8Array;
  /** Blocks used up. */
  private counter = 0n;

  /** `seed`: 32 bytes. */
  constructor(seed: Uint8Array) {
    this.seed = checkedSeed(seed);
  }

  /** What follows is of another seed. */
  reseed(seed: Uint8Array): void {
    this.seed = checkedSeed(seed);
    this.counter = 0n;
  }

  private block(): Uint8Array {
    const initial = new Uint32Array(16);
    initial.set(CONSTANTS);
    const view = new DataView(this.seed.buffer, this.seed.byteOffset);
    for (let i = 0; i < 8; i++) initial[4 + i] = view.getUint32(4 * i, true);
    initial[12] = Number(this.counter & 0xffff_ffffn);
    initial[13] = Number((this.counter >> 32n) & 0xffff_ffffn);
    this.counter++;
    const s = initial.slice();
    for (let round = 0; round < 10; round++) {
      for (let column = 0; column < 4; column++) quarterRound(s, column, column + 4, column + 8, column + 12);
      for (let i = 0; i < 4; i++) quarterRound(s, i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3));
    }
    const out = new Uint8Array(BLOCK_BYTES);
    const words = new DataView(out.buffer);
    for (let i = 0; i < 16; i++) words.setUint32(4 * i, (s[i]! + initial[i]!) >>> 0, true);
    return out;
  }

  fill(into: Uint8Array): void {
    for (let done = 0; done < into.length; done += BLOCK_BYTES) {
      into.set(this.block().subarray(0, Math.min(BLOCK_BYTES, into.length - done)), done);
    }
  }

  save(): PlainData {
    return { version: VERSION, seed: this.seed.slice(), counter: this.counter };
  }

  restore(state: PlainData): void {
    const reader = StateReader.part('the random numbers', state, VERSION, ['seed', 'counter']);
    const seed = reader.bytes('seed', SEED_BYTES);
    const counter = reader.u64('counter');
    reader.require(seed.length === SEED_BYTES, 'the seed is too short');
    this.seed = seed;
    this.counter = counter;
  }
}
