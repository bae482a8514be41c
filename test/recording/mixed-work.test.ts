import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryByteSource } from '../../src/checkpoint/memory-byte-source.ts';
import { nodeCodec } from '../../src/platform/node/codec.ts';
import { Recording } from '../../src/recording/recording.ts';
import { Replayer, type ReplayOptions } from '../../src/recording/replayer.ts';
import { guestImages } from '../support/guest.ts';
import { randomNumbers } from '../support/random.ts';
import { patient } from '../support/tiers.ts';
import { BootedMachine } from './booted-machine.ts';
import { type LiveMachine, MemorySink } from './live-recording.ts';
import { mixedWork } from './mixed-work.ts';

const LONG = process.env.GODWIT_LONG === '1';
const COUNT = LONG ? 100 : 4;
const WORK_MS = LONG ? 3000 : 1500;
const FIRST_SEED = Number(process.env.GODWIT_SEED ?? 1);
const SEEDS = Array.from({ length: process.env.GODWIT_SEED ? 1 : COUNT }, (_, i) => FIRST_SEED + i);

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Types, and ends when the last was typed. */
async function work(machine: LiveMachine, seed: number): Promise<void> {
  for (const { afterMs, text } of mixedWork(seed, WORK_MS)) {
    await delay(afterMs);
    machine.type(text);
  }
}

/** Recorded from a random moment on, while it works already, to another. */
async function record(booted: BootedMachine, seed: number) {
  const random = randomNumbers(seed + 1000);
  const { machine, close } = await booted.fork();
  const finished = machine.start();
  const working = work(machine, seed);
  await delay(random(400));
  const sink = new MemorySink();
  const from = machine.printed.length;
  const recorder = machine.record(sink, { digestEveryMs: 10 + random(100) });
  await working;
  await delay(random(200));
  await recorder.stop();
  const printed = machine.printed.slice(from);
  await machine.stop();
  await finished;
  await close();
  return { bytes: sink.bytes, printed, counts: recorder.counts };
}

async function replay(recording: Recording, options: ReplayOptions) {
  let printed = '';
  const decoder = new TextDecoder();
  const replayer = await Replayer.open(recording, {
    ...options,
    output: (_port, bytes) => {
      printed += decoder.decode(bytes, { stream: true });
    },
  });
  replayer.runToEnd();
  const result = { printed, digest: replayer.core.digest(), checked: replayer.checkedDigests };
  replayer.detach().dispose();
  return result;
}

describe('a recording of mixed work', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;
  let booted: BootedMachine | undefined;

  beforeAll(async () => {
    if ('reason' in images) return;
    booted = await BootedMachine.boot({ ...images, bootArguments: 'console=ttyS0 quiet cryptomgr.notests' });
  }, 120_000);
  afterAll(() => booted?.close());

  const totals = { recordings: 0, events: 0, digests: 0, blocks: 0 };

  for (const [index, seed] of SEEDS.entries()) {
    it.skipIf(reason)(
      `replays as it was, seed ${seed}`,
      async () => {
        const { bytes, printed, counts } = await record(booted!, seed);
        const recording = Recording.open(new MemoryByteSource(`seed ${seed}`, bytes), nodeCodec);
        expect(recording.notice).toBeUndefined();
        expect(recording.events.length).toBe(counts.events);
        expect(recording.digests.length).toBe(counts.digests);
        const first = await replay(recording, {});
        expect(first.checked).toBe(counts.digests);
        // The last of it may be in a buffer of the machine's when the recording ends.
        expect(printed.startsWith(first.printed) || first.printed.startsWith(printed)).toBe(true);
        if (index % 4 === 1) expect(await replay(recording, { translation: { enabled: false } })).toEqual(first);
        // Translating nearly everything takes long.
        const threshold = LONG && index % 12 === 3 ? 2 : 30;
        if (index % 4 === 3) expect(await replay(recording, { translation: { threshold } })).toEqual(first);
        totals.recordings++;
        totals.events += counts.events;
        totals.digests += counts.digests;
        totals.blocks += recording.events.filter(({ event }) => event.kind === 'block').length;
      },
      patient(600_000),
    );
  }

  it.skipIf(reason)('was recorded with input, disks and digests', () => {
    console.log(`mixed work: ${JSON.stringify(totals)}`);
    expect(totals.digests).toBeGreaterThan(totals.recordings);
    expect(totals.events).toBeGreaterThan(totals.recordings);
  });
});
