import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointStore } from '../../src/service/checkpoint/store/index.ts';
import { Random } from '../disk/support/random.ts';
import { checkStore, leftovers } from './support/check-store.ts';
import { BUILT_STORE, buildStoreUser } from './support/store-program.ts';

const KILLS = process.env.GODWIT_LONG === '1' ? 400 : 25;
const SEED = Number(process.env.GODWIT_SEED ?? 1);

let root: string;
let program: string;

beforeAll(async () => {
  // Killing a process loses nothing that it gave to the host, so memory will do for the files, and is quicker.
  root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'godwit-kill-'));
  program = await buildStoreUser(root);
});
afterAll(() => rmSync(root, { recursive: true }));

/** What must be there, by what processes said before they were killed. */
class Ledger {
  readonly whole = new Set<string>();
  /** Begun and not finished: it may be there or not. */
  readonly undecided = new Set<string>();
  readonly gone = new Set<string>();
  readonly counts: Record<string, number> = {};

  hear(line: string): void {
    const [word = '', id = ''] = line.split(' ');
    this.counts[word] = (this.counts[word] ?? 0) + 1;
    if (word === 'create') this.undecided.add(id);
    else if (word === 'created' || word === 'imported') {
      // Another process may have begun to delete it before this one could say that it is there.
      if (!this.gone.has(id) && !this.doomed.has(id)) this.whole.add(id);
    } else if (word === 'delete') {
      this.doomed.add(id);
      this.whole.delete(id);
      this.undecided.add(id);
    } else if (word === 'deleted') this.gone.add(id);
  }

  private readonly doomed = new Set<string>();

  /** What turned out. What is there stays, and what is not comes never back. */
  settle(present: readonly string[]): void {
    for (const id of this.undecided) if (!present.includes(id)) this.gone.add(id);
    this.undecided.clear();
    this.doomed.clear();
    for (const id of present) this.whole.add(id);
  }
}

async function runUntilKilled(folder: string, scratch: string, random: Random, ledger: Ledger): Promise<void> {
  const child: ChildProcess = spawn(
    process.execPath,
    [program, folder, String(random.below(2 ** 30)), scratch, BUILT_STORE],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = once(child, 'exit');
  // By what it did, and then some time, so that a busy host makes little difference.
  let linesLeft = 1 + random.below(random.pick([3, 10]));
  const killAfterMs = random.below(random.pick([5, 60]));
  for await (const line of createInterface(child.stdout!)) {
    ledger.hear(line);
    if (--linesLeft === 0) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
  }
  const [status, signal] = (await ended) as [number | null, string | null];
  expect({ status, signal }).toEqual({ status: null, signal: 'SIGKILL' });
}

async function checkLedger(store: CheckpointStore, ledger: Ledger, where: string): Promise<void> {
  const present = await checkStore(store, where);
  expect(
    [...ledger.whole].filter((id) => !present.includes(id)),
    `${where}: lost`,
  ).toEqual([]);
  expect(
    [...ledger.gone].filter((id) => present.includes(id)),
    `${where}: back again`,
  ).toEqual([]);
  ledger.settle(present);
}

describe('processes that use a store', () => {
  it(`leave it whole, whenever they are killed (${KILLS} times, seed ${SEED})`, async () => {
    const random = new Random(SEED);
    const folder = join(root, 'store');
    const scratch = join(root, 'scratch');
    mkdirSync(scratch);
    const store = await CheckpointStore.open({ folder });
    const ledger = new Ledger();
    let kills = 0;
    let left = 0;
    while (kills < KILLS) {
      const users = random.chance(30) ? 2 : 1;
      await Promise.all(Array.from({ length: users }, () => runUntilKilled(folder, scratch, random, ledger)));
      kills += users;
      left += leftovers(folder).length > 0 ? 1 : 0;
      await checkLedger(store, ledger, `seed ${SEED}, kill ${kills}`);
      for (const name of readdirSync(scratch)) rmSync(join(scratch, name));
    }
    await store.close();
    if (process.env.GODWIT_LONG === '1')
      console.log(JSON.stringify({ kills, roundsWithLeftovers: left, ...ledger.counts }));
    expect(ledger.counts.created).toBeGreaterThan(KILLS / 5);
    expect(left).toBeGreaterThan(0);
  }, 3_600_000);
});
