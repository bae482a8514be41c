import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MSCRATCH } from '../../src/hart/layout.ts';
import { MachineCore } from '../../src/machine/core.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { DigestTaker } from '../../src/recording/digest.ts';
import { compareDigests, decodeDigest, encodeDigest, isWaiting } from '../../src/recording/digest-codec.ts';
import { DivergenceError } from '../../src/recording/divergence.ts';
import type { Recording } from '../../src/recording/recording.ts';
import { REGISTER_NAMES } from '../../src/recording/registers.ts';
import { makeRecordedMachine, Replayer } from '../../src/recording/replayer.ts';
import { ReplayRunner } from '../../src/run/replay-runner.ts';
import { guestImages } from '../support/guest.ts';
import { randomNumbers } from '../support/random.ts';
import { patient } from '../support/tiers.ts';
import { BootedMachine } from './booted-machine.ts';
import { MemorySink } from './live-recording.ts';
import { openBytes } from './opened.ts';

const BOOT = 'console=ttyS0 quiet cryptomgr.notests';
const RAM_BASE = 0x8000_0000n;

describe('a replay that goes another way', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;
  let booted!: BootedMachine;
  let bytes = new Uint8Array();

  beforeAll(async () => {
    if (reason) return;
    booted = await BootedMachine.boot({ ...images, bootArguments: BOOT });
    const { machine, close } = await booted.fork();
    const sink = new MemorySink();
    const recorder = machine.record(sink, { digestEveryMs: 15 });
    const finished = machine.start();
    machine.type(
      'dd if=/dev/vda bs=64k count=10 | md5sum; ls -l /bin | md5sum; for i in 1 2 3; do ls /; done; echo do"ne"\r',
    );
    await machine.shows('done\r\n');
    await recorder.stop();
    await machine.stop();
    await finished;
    await close();
    bytes = new Uint8Array(sink.bytes);
  }, 120_000);
  afterAll(() => booted?.close());

  const divergenceOf = (action: () => unknown): DivergenceError => {
    try {
      action();
    } catch (error) {
      if (error instanceof DivergenceError) return error;
      throw error;
    }
    throw new Error('it did not diverge');
  };

  /** The recording with one event changed. */
  const withEvent = (recording: Recording, index: number, change: (event: never) => unknown): Recording => {
    const events = recording.events.map((stamped, i) =>
      i === index ? { ...stamped, event: change(stamped.event as never) } : stamped,
    );
    return Object.create(recording, { events: { value: events } }) as Recording;
  };

  it.skipIf(reason)('because of another key names the interval, registers and pages', async () => {
    const recording = openBytes(bytes);
    const index = recording.events.findIndex(({ event }) => event.kind === 'input');
    const changed = withEvent(recording, index, (event: { bytes: Uint8Array }) => {
      const other = event.bytes.slice();
      other[0] = 0x65;
      return { ...event, bytes: other };
    });
    const replayer = await Replayer.open(changed);
    const { divergence, message } = divergenceOf(() => replayer.runToEnd());
    const at = recording.events[index]!.point.branches;
    const first = recording.digests.findIndex(({ delivered }) => delivered > index);
    expect(divergence.interval.index).toBe(first);
    expect(divergence.interval.to).toEqual(recording.digests[first]!.point);
    expect(divergence.interval.from.branches).toBeLessThanOrEqual(at);
    expect(divergence.event !== undefined || divergence.pages.length > 0).toBe(true);
    expect(message).toMatch(/diverged from the recording between branch \d+/);
  });

  it.skipIf(reason)('because of other data from a disk is noticed too', async () => {
    const recording = openBytes(bytes);
    const index = recording.events.findIndex(
      ({ event }) => event.kind === 'block' && event.completion.status === 'ok' && event.completion.data,
    );
    expect(index).toBeGreaterThanOrEqual(0);
    const changed = withEvent(recording, index, (event: { completion: { data: Uint8Array[] } }) => {
      const data = event.completion.data[0]!.slice();
      data[1234] = data[1234]! ^ 1;
      return { ...event, completion: { status: 'ok', data: [data] } };
    });
    const replayer = await Replayer.open(changed);
    const { divergence } = divergenceOf(() => replayer.runToEnd());
    expect(divergence.pages.length).toBeGreaterThan(0);
  });

  it.skipIf(reason)('because one page and one register are not the same names them', async () => {
    const recording = openBytes(bytes);
    const random = randomNumbers(3);
    const core = await makeRecordedMachine(recording);
    const replayer = new Replayer(core, recording);
    const [first, second] = recording.digests;
    replayer.run(first!.point.branches + 1n);
    // A page that is not in use: its end is written to and stays.
    const untouched = [...Array(core.ram.pageCount).keys()].filter((page) => core.ram.frameOf(page) === 0);
    const page = untouched[random(untouched.length)]!;
    core.ram.writeU32(RAM_BASE + BigInt(page) * 4096n + 4092n, 1);
    // Nothing runs in M-mode.
    core.current.put(MSCRATCH, 0x1234n);
    const { divergence } = divergenceOf(() => replayer.run(second!.point.branches + 1n));
    expect(divergence).toMatchObject({
      interval: { index: 1, from: first!.point, to: second!.point },
      registers: [{ name: 'mscratch', recorded: 0n, replayed: 0x1234n }],
      devices: [],
      event: undefined,
    });
    expect(divergence.pages).toContain(page);
    if (divergence.exactPages) expect(divergence.pages).toEqual([page]);
  });

  it.skipIf(reason)('because the guest takes another path names the place of what did not fit', async () => {
    const recording = openBytes(bytes);
    const events = recording.events.map(({ point, event }, i) =>
      i === 3 ? { event, point: { ...point, pc: point.pc + 2n } } : { point, event },
    );
    const changed = Object.create(recording, { events: { value: events }, digests: { value: [] } }) as Recording;
    const replayer = await Replayer.open(changed);
    const { divergence } = divergenceOf(() => replayer.runToEnd());
    expect(divergence.event).toMatch(/does not follow the recording|never|waits/);
  });
});

describe('digests', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;

  it.skipIf(reason)(
    'change nothing that the guest does, and are the same wherever they are taken alike',
    async () => {
      if ('reason' in images) return;
      const make = () =>
        MachineCore.create({
          memoryBytes: 96 * 1024 ** 2,
          seed: new Uint8Array(32).fill(3),
          load: bootImages({ ...images, bootArguments: BOOT }),
        });
      const points = Array.from({ length: 12 }, (_, i) => BigInt(i + 1) * 1_234_567n);
      const plain = await make();
      const plainRunner = new ReplayRunner(plain, []);
      for (const branches of points) plainRunner.run(branches);
      const taken: Uint8Array[] = [];
      for (const more of [0, 1]) {
        const core = await make();
        const runner = new ReplayRunner(core, []);
        const digests = new DigestTaker(core);
        for (const [i, branches] of points.entries()) {
          runner.run(branches);
          const encoded = encodeDigest(digests.take());
          if (more === 0) taken.push(encoded);
          else expect(encoded).toEqual(taken[i]);
        }
        digests.stop();
        expect(core.digest()).toBe(plain.digest());
      }
    },
    patient(120_000),
  );

  it('compare by page where these are few, and by group else', () => {
    const harts = [new Uint8Array(8 * REGISTER_NAMES.length)];
    const devices = new Map([['uart', 5n]]);
    const memory = (count: number, seed: number) => {
      const random = randomNumbers(seed);
      const pages = Uint32Array.from({ length: count }, (_, i) => i * 3);
      return { pages, hashes: pages.map(() => random(2 ** 31)) };
    };
    for (const count of [0, 1, 512, 513, 20_000]) {
      const digest = { harts, devices, memory: memory(count, 1) };
      const stored = decodeDigest(encodeDigest(digest));
      expect(compareDigests(stored, digest)).toBeUndefined();
      const zeros = {
        pages: Uint32Array.of(...digest.memory.pages, 70_000),
        hashes: Uint32Array.of(...digest.memory.hashes, 0),
      };
      expect(compareDigests(stored, { ...digest, memory: zeros })).toBeUndefined();
      expect(compareDigests(stored, { ...digest, devices: new Map([['uart', 6n]]) })).toMatchObject({
        devices: ['uart'],
        pages: [],
      });
      if (count === 0) continue;
      const hashes = digest.memory.hashes.slice();
      const at = Math.floor(count / 2);
      hashes[at] = hashes[at]! ^ 0x100;
      const difference = compareDigests(stored, { ...digest, memory: { ...digest.memory, hashes } })!;
      expect(difference.pages).toContain(3 * at);
      expect(difference.exactPages).toBe(count <= 512);
      expect(difference.pages.length).toBeLessThanOrEqual(count <= 512 ? 1 : 342);
    }
  });

  it('compare registers by their names, in whatever order they were recorded', () => {
    const memory = { pages: new Uint32Array(0), hashes: new Uint32Array(0) };
    const values = (names: readonly string[], change: Record<string, bigint> = {}) =>
      new Uint8Array(BigUint64Array.from(names, (name) => change[name] ?? BigInt(name.length * 1000)).buffer);
    const replayed = { harts: [values(REGISTER_NAMES)], devices: new Map(), memory };
    const backwards = [...REGISTER_NAMES].reverse();
    const recorded = (names: readonly string[], change?: Record<string, bigint>) =>
      decodeDigest(encodeDigest({ harts: [values(names, change)], devices: new Map(), memory }));
    expect(compareDigests(recorded(backwards), replayed, backwards)).toBeUndefined();
    const fewer = backwards.slice(5);
    expect(compareDigests(recorded(fewer), replayed, fewer)).toBeUndefined();
    const optional = ['vstart?', ...backwards];
    expect(compareDigests(recorded(optional), replayed, optional)).toBeUndefined();
    const difference = compareDigests(recorded(backwards, { mepc: 5n }), replayed, backwards);
    expect(difference?.registers).toEqual([{ name: 'mepc', recorded: 5n, replayed: 4000n }]);
    expect(isWaiting(recorded(backwards, { waiting: 0n }), backwards)).toBe(false);
    expect(isWaiting(recorded(backwards, { waiting: 1n }), backwards)).toBe(true);
  });
});
