import { expect } from 'vitest';

export const BLOCK_BYTES = 8192;
export const BLOCKS = 512;
const SECTOR_BYTES = 512;

/** What a block holds after its write `version`: each sector says which block and version it is of. */
export function block(at: number, version: number): Uint8Array {
  const bytes = new Uint8Array(BLOCK_BYTES);
  const words = new Uint32Array(bytes.buffer);
  for (let index = 0; index < words.length; index += 2) {
    words[index] = at + 1;
    words[index + 1] = version;
  }
  return bytes;
}

interface Candidate {
  readonly version: number;
  readonly zero: boolean;
}

interface BlockHistory {
  /** Writes that may be what is there: the last safe one, and all that began later. */
  candidates: Candidate[];
  done: number;
}

/** What each block may hold, by what a writer said. */
export class Versions {
  readonly #blocks: BlockHistory[] = Array.from({ length: BLOCKS }, () => ({
    candidates: [{ version: 0, zero: true }],
    done: 0,
  }));

  issue(at: number, version: number, zero: boolean): void {
    this.#blocks[at]!.candidates.push({ version, zero });
  }

  done(at: number, version: number): void {
    this.#blocks[at]!.done = version;
  }

  /** What was done is safe: nothing older can be there. */
  flushed(): void {
    for (const history of this.#blocks) {
      history.candidates = history.candidates.filter(({ version }) => version >= history.done);
    }
  }

  /** What a disk may hold that was covered now: all that is done, and of what is under way any part. */
  copy(): Versions {
    const copy = new Versions();
    for (const [at, { candidates, done }] of this.#blocks.entries()) {
      copy.#blocks[at] = { candidates: [...candidates], done };
    }
    return copy;
  }

  expectPossible(content: Uint8Array, what: string): void {
    this.#compare(content, what);
  }

  /** What is found is what there is from now on: a crash may have lost what was done. */
  expectPossibleAndAdopt(content: Uint8Array, what: string): void {
    const seen = this.#compare(content, what);
    for (const [at, candidates] of seen.entries()) {
      this.#blocks[at] = { candidates, done: Math.min(...candidates.map(({ version }) => version)) };
    }
  }

  /** Gives for each block the writes that are seen in its sectors. */
  #compare(content: Uint8Array, what: string): Candidate[][] {
    expect(content.length, what).toBe(BLOCKS * BLOCK_BYTES);
    return this.#blocks.map(({ candidates }, at) => {
      const seen = new Set<Candidate>();
      for (let start = at * BLOCK_BYTES; start < (at + 1) * BLOCK_BYTES; start += SECTOR_BYTES) {
        const found = versionOf(content.subarray(start, start + SECTOR_BYTES), at);
        const match = candidates.find(({ version, zero }) => (zero ? found === 0 : found === version));
        if (match !== undefined) {
          seen.add(match);
          continue;
        }
        const list = candidates.map(({ version, zero }) => `${version}${zero ? ' (zeros)' : ''}`).join(', ');
        expect.fail(`${what}: in block ${at}, ${start} has version ${found}, possible are ${list}`);
      }
      return [...seen];
    });
  }
}

/** -1 for what is no version of the block. */
function versionOf(sector: Uint8Array, at: number): number {
  const words = new Uint32Array(new Uint8Array(sector).buffer);
  const [first, version = -1] = words;
  for (let index = 0; index < words.length; index += 2) {
    if (words[index] !== first || words[index + 1] !== version) return -1;
  }
  if (first === 0) return version === 0 ? 0 : -1;
  return first === at + 1 ? version : -1;
}
