import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { holderOf, LOCK_WORDS, MemoryLock } from '../../src/memory/lock.ts';

const THREADS = 3;
const ROUNDS = 20_000;
const LOCK = new URL('../../dist/memory/lock.js', import.meta.url).href;

function word(): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4 * LOCK_WORDS));
}

/** Adds to a counter as one who reads, thinks and writes, now and then for so long that the others go to sleep. */
const ADDER = `
  const { workerData: { holder, word, counter, rounds } } = require('node:worker_threads');
  import(${JSON.stringify(LOCK)}).then(({ MemoryLock }) => {
    const lock = new MemoryLock(word, holder);
    for (let i = 0; i < rounds; i++) {
      lock.acquire();
      lock.acquire();
      const seen = counter[0];
      lock.release();
      for (let wait = i % 100 === 0 ? 20000 : 10; wait > 0; wait--) Atomics.load(counter, 0);
      counter[0] = seen + 1;
      lock.release();
    }
  });
`;

describe('the lock of a memory', () => {
  it('lets one thread in at a time, and forgets none that sleeps', async () => {
    const counter = new Int32Array(new SharedArrayBuffer(4));
    const shared = word();
    const workers = Array.from({ length: THREADS }, (_, holder) => {
      const workerData = { holder, word: shared, counter, rounds: ROUNDS };
      return new Worker(ADDER, { eval: true, workerData });
    });
    const codes = await Promise.all(workers.map(async (worker) => (await once(worker, 'exit'))[0]));
    expect(codes).toEqual(new Array(THREADS).fill(0));
    expect(counter[0]).toBe(THREADS * ROUNDS);
    expect(holderOf(shared)).toBeUndefined();
  });

  it('says who has it, and is not taken from them', () => {
    const shared = word();
    const first = new MemoryLock(shared, 0);
    const second = new MemoryLock(shared, 7);
    first.acquire();
    first.acquire();
    expect(holderOf(shared)).toBe(0);
    expect(second.tryAcquire()).toBe(false);
    first.release();
    expect(second.tryAcquire()).toBe(false);
    first.release();
    expect(holderOf(shared)).toBeUndefined();
    expect(second.tryAcquire()).toBe(true);
    expect(holderOf(shared)).toBe(7);
    second.release();
  });
});
