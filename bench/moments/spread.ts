import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureGuest, QUICK_BOOT_PARAMETERS } from '../../src/guest/index.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { median } from '../statistics.ts';

/** Forks that all work at the same time: in one thread, and spread over one for each processor. */
export interface SpreadFigures {
  readonly forks: number;
  readonly threads: number;
  /** Medians, in seconds. */
  readonly oneThreadSeconds: number;
  readonly spreadSeconds: number;
}

const FORKS = 8;
const ROUNDS = 3;
const COUNT = 50_000;
const PROMPT = '~# ';
/** The threads beside the first start with the first fork. */
const START_MS = 1000;

export async function measureSpread(): Promise<SpreadFigures> {
  const threads = Math.min(availableParallelism(), FORKS);
  const oneThread: number[] = [];
  const spread: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    oneThread.push(await workTogether(1));
    spread.push(await workTogether(threads));
  }
  return { forks: FORKS, threads, oneThreadSeconds: median(oneThread), spreadSeconds: median(spread) };
}

async function workTogether(threads: number): Promise<number> {
  const { kernelPath, initramfsPath } = await ensureGuest();
  const append = ['console=ttyS0', ...QUICK_BOOT_PARAMETERS].join(' ');
  const machine = await Machine.create({ kernel: kernelPath, initrd: initramfsPath, append, memory: '128M', threads });
  const forks: Machine[] = [];
  try {
    await machine.start();
    await machine.console.waitFor(PROMPT);
    await (await machine.fork()).stop();
    await delay(START_MS);
    for (let i = 0; i < FORKS; i++) forks.push(await machine.fork());
    const startedMs = performance.now();
    await Promise.all(forks.map(count));
    return (performance.now() - startedMs) / 1000;
  } finally {
    await Promise.all([machine, ...forks].map((each) => each.stop()));
  }
}

async function count({ console }: Machine): Promise<void> {
  await console.write(`i=0; while [ $i -lt ${COUNT} ]; do i=$((i+1)); done; echo counted to $i\r`);
  await console.waitFor(`counted to ${COUNT}`);
}
