import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { Machine } from '../../src/service/machine/machine.ts';
import { itWithDebian } from '../support/debian.ts';

const FORKS = 64;
const RESTORES = 3;
/** Python runs, with all its modules loaded, when it is copied. It answers each line. */
const SERVICE = `stty -echo; python3 -c 'import sys, time, uuid
print("rea" + "dy")
for line in sys.stdin: print("id", uuid.uuid4(), uuid.uuid1(), time.time(), time.monotonic())'`;
const ANSWER = /id [^\n]+\n/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[14][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

interface Self {
  readonly random: string;
  readonly timed: string;
  /** How much later the guest's clock is than the host's. */
  readonly aheadSeconds: number;
  readonly monotonicSeconds: number;
}

async function selfOf(machine: Machine): Promise<Self> {
  await machine.console.write('who\r');
  const answer = (await machine.console.waitFor(ANSWER, { timeoutMs: 60_000 })).match(ANSWER)![0];
  const nowSeconds = Date.now() / 1000;
  const [, random = '', timed = '', time, monotonic] = answer.trim().split(' ');
  return { random, timed, aheadSeconds: Number(time) - nowSeconds, monotonicSeconds: Number(monotonic) };
}

describe('copies of a Python that runs already', async () => {
  const name = `have UUIDs of their own, and the right time: ${FORKS} forks, ${RESTORES} restored`;
  await itWithDebian(
    name,
    async () => Machine,
    async (parent, folder) => {
      const store = join(folder, 'store');
      await parent.console.write(`${SERVICE.replaceAll('\n', '\r')}\r`);
      await parent.console.waitFor('ready', { timeoutMs: 60_000 });
      const { monotonicSeconds } = await selfOf(parent);
      const selves: Self[] = [];
      for (let i = 0; i < FORKS; i++) {
        const fork = await parent.fork();
        selves.push(await selfOf(fork));
        await fork.stop();
      }
      await parent.checkpoint({ name: 'python', store });
      selves.push(await selfOf(parent));
      await parent.stop();
      for (let i = 0; i < RESTORES; i++) {
        const restored = await Machine.restore('python', { store });
        await restored.start();
        selves.push(await selfOf(restored));
        await restored.stop();
      }
      for (const { random, timed, ...clocks } of selves) {
        expect(random).toMatch(UUID);
        expect(timed).toMatch(UUID);
        expect(Math.abs(clocks.aheadSeconds)).toBeLessThan(5);
        expect(clocks.monotonicSeconds).toBeGreaterThan(monotonicSeconds);
      }
      expect(new Set(selves.map(({ random }) => random)).size).toBe(selves.length);
      expect(new Set(selves.map(({ timed }) => timed)).size).toBe(selves.length);
    },
  );
});
