import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryByteSource } from '../../src/checkpoint/memory-byte-source.ts';
import { GodwitError } from '../../src/common/errors.ts';
import { nodeCodec } from '../../src/platform/node/codec.ts';
import { FlightRecorder } from '../../src/recording/flight-recorder.ts';
import { joinRecordings } from '../../src/recording/join.ts';
import { RecordingFile } from '../../src/service/recording/recording-file.ts';
import { echoing } from '../api/programs.ts';
import { guestImages } from '../support/guest.ts';
import { patient } from '../support/tiers.ts';
import { BootedMachine } from './booted-machine.ts';
import { LiveMachine, MemorySink } from './live-recording.ts';
import { openBytes, replayAll } from './opened.ts';

const BOOT = 'console=ttyS0 quiet cryptomgr.notests';
const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a recorder', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;
  let booted!: BootedMachine;

  beforeAll(async () => {
    if (!reason) booted = await BootedMachine.boot({ ...images, bootArguments: BOOT });
  }, 120_000);
  afterAll(() => booted?.close());

  it.skipIf(reason)(
    'starts and stops at any time, several at once, on running and paused machines',
    async () => {
      const { machine, close } = await booted.fork();
      const sinks = Array.from({ length: 4 }, () => new MemorySink());
      const paused = machine.record(sinks[0]!);
      const finished = machine.start();
      const first = machine.record(sinks[1]!, { digestEveryMs: 20 });
      machine.type('seq 1 20000 | sort -r | md5sum; echo o"ne"\r');
      await delay(100);
      const second = machine.record(sinks[2]!, { digestEveryMs: 33 });
      await machine.shows('one\r\n');
      await first.stop();
      machine.runner.pause();
      await delay(30);
      const whilePaused = machine.record(sinks[3]!);
      await delay(30);
      machine.runner.resume();
      machine.type('head -c 200000 /dev/urandom | gzip | wc -c; echo t"wo"\r');
      await machine.shows('two\r\n');
      machine.runner.pause();
      await delay(30);
      for (const recorder of [paused, second, whilePaused]) await recorder.stop();
      await machine.stop();
      await finished;
      const replays: Awaited<ReturnType<typeof replayAll>>[] = [];
      for (const sink of sinks) {
        expect(sink.finished).toBe(true);
        const recording = openBytes(sink.bytes);
        expect(recording.notice).toBeUndefined();
        replays.push(await replayAll(recording));
      }
      expect(replays[0]!.printed).toContain('one\r\n');
      expect(replays[1]!.printed).not.toContain('two\r\n');
      expect(replays[2]!.printed).toContain('two\r\n');
      expect(replays[3]!.printed).not.toContain('one\r\n');
      // All three ended at the same place.
      const [end, ...others] = [0, 2, 3].map((i) => {
        const { point, ticks, instructionsRetired, digest } = openBytes(sinks[i]!.bytes).end!;
        return { point, ticks, instructionsRetired, isKnown: digest !== null };
      });
      for (const other of others) expect(other).toEqual(end);
      expect(new Set([0, 2, 3].map((i) => replays[i]!.digest)).size).toBe(1);
      await close();
    },
    patient(120_000),
  );

  it.skipIf(reason)(
    'goes on through a reset of the guest, whose images are then in the file',
    async () => {
      const { machine, close } = await booted.fork();
      const sink = new MemorySink();
      const recorder = machine.record(sink, { digestEveryMs: 50 });
      const finished = machine.start();
      machine.type('reboot -f\r');
      await machine.shows('~#', machine.printed.length);
      machine.type('echo agai"n"; poweroff\r');
      await finished;
      expect(machine.runner.stats.resets).toBe(1);
      await recorder.stop('power-off');
      const recording = openBytes(sink.bytes);
      expect(recording.images).toBeDefined();
      for (const translation of [{}, { threshold: 100 }]) {
        const result = await replayAll(recording, { translation });
        expect(result.printed).toContain('again\r\n');
        expect(result.finish).toEqual({ kind: 'pass', code: 0 });
        expect(result.digest).toBe(machine.core.digest());
      }
      await close();
    },
    patient(120_000),
  );

  it.skipIf(reason)(
    'ends at a reset when nobody knows what the guest boots from',
    async () => {
      const { machine, close } = await booted.fork();
      const sink = new MemorySink();
      const ends: string[] = [];
      machine.record(sink, { images: () => undefined, onEnd: (why) => ends.push(why) });
      const finished = machine.start();
      machine.type('reboot -f\r');
      await machine.shows('~#', machine.printed.length);
      machine.type('poweroff\r');
      await finished;
      expect(ends).toEqual(['unknown-images']);
      const recording = openBytes(sink.bytes);
      expect(recording.end?.reason).toBe('unknown-images');
      expect((await replayAll(recording)).finish).toBeUndefined();
      await close();
    },
    patient(120_000),
  );

  it.skipIf(reason)(
    'gives up with a clear error when the disk is full, and the machine goes on',
    async () => {
      for (const room of [10, 100_000, 4_000_000]) {
        const { machine, close } = await booted.fork();
        const failures: GodwitError[] = [];
        const sink = new FullSink(room);
        const recorder = machine.record(sink, { digestEveryMs: 10, onFailure: (error) => failures.push(error) });
        const finished = machine.start();
        machine.type('seq 1 20000 | sort -r | md5sum; dd if=/dev/vda bs=64k count=64 | md5sum; poweroff\r');
        expect(await finished).toEqual({ kind: 'pass', code: 0 });
        await recorder.stop();
        expect(failures.map(({ code }) => code)).toEqual(['full']);
        expect(recorder.ended).toBe(true);
        expect(sink.abandoned).toBe(true);
        await close();
      }
    },
    patient(120_000),
  );

  it('gives up when there is no memory to keep the start in, and the machine goes on', async () => {
    const machine = await LiveMachine.create({ images: { kernel: echoing() }, memoryBytes: 8 * 1024 ** 2 });
    const { arena } = machine.core.engine;
    while (arena.roomBytes > 60 * 1024 ** 2) arena.allocateFrame();
    const failures: GodwitError[] = [];
    const sink = new FullSink(1024 ** 3);
    const recorder = machine.record(sink, { onFailure: (error) => failures.push(error) });
    const frames = arena.frameCount;
    const finished = machine.start();
    expect(await recorder.started).toBe(false);
    machine.type('q');
    expect(await finished).toEqual({ kind: 'pass', code: 0 });
    expect(failures.map(({ code }) => code)).toEqual(['limit']);
    expect(sink.abandoned).toBe(true);
    expect(arena.frameCount).toBeLessThanOrEqual(frames);
  });

  it.skipIf(!existsSync('/dev/full'))('tells what the host says of a full disk', async () => {
    const file = await RecordingFile.create('/dev/full', { replace: true });
    await expect(file.append(new Uint8Array(10))).rejects.toMatchObject({ code: 'full' });
    await file.abandon();
    await expect(RecordingFile.create('/dev/full')).rejects.toMatchObject({ code: 'usage' });
    await expect(RecordingFile.create('/none/x.rec')).rejects.toMatchObject({ code: 'not-found' });
  });

  it.skipIf(reason)(
    'holds the machine up when the file is much slower than the log grows',
    async () => {
      const { machine, close } = await booted.fork();
      const sink = new SlowSink();
      const held: boolean[] = [];
      const recorder = machine.record(sink, {
        onCongestion: (congested) => {
          held.push(congested);
          if (!congested) return;
          // As the machine's thread would.
          machine.runner.pause();
          void sink.hurry();
        },
      });
      const finished = machine.start();
      const megabyte = new Uint8Array(1024 ** 2);
      await delay(20);
      // Events that the machine does not take, but whose size counts.
      for (let i = 0; i < 80; i++) {
        const completion = { status: 'ok', data: [megabyte.fill(i)] } as const;
        recorder.event({ point: machine.core.point, event: { kind: 'block', disk: 0, id: 0, completion } });
      }
      while (held.length < 2) await delay(5);
      expect(held).toEqual([true, false]);
      machine.runner.resume();
      await machine.stop();
      await finished;
      await recorder.stop();
      expect(openBytes(sink.bytes).events.length).toBeGreaterThanOrEqual(80);
      await close();
    },
    patient(120_000),
  );

  it.skipIf(reason)(
    'keeps the last moments of a machine in a ring, and makes one recording of them',
    async () => {
      const { machine, close } = await booted.fork();
      const files: { sink: MemorySink; removed: boolean }[] = [];
      const flight = new FlightRecorder({
        keepMs: 600,
        nowMs: () => performance.now(),
        worthwhileBusyMs: 50,
        begin: () => {
          const file = { sink: new MemorySink(), removed: false };
          files.push(file);
          const recorder = machine.makeRecorder(file.sink, { digestEveryMs: 25 });
          return {
            recorder,
            file,
            remove: async () => {
              file.removed = true;
            },
          };
        },
      });
      machine.observe(flight);
      const finished = machine.start();
      const join = () => {
        const sources = flight.segments.map(({ file }, i) => new MemoryByteSource(`part ${i}`, file.sink.bytes));
        return openBytes(new Uint8Array(Buffer.concat([...joinRecordings(sources, nodeCodec)])));
      };
      for (let i = 0; files.length < 7; i++) {
        machine.type(`seq 1 8000 | sort -r | md5sum; echo n"umber" ${i}\r`);
        await machine.shows(`number ${i}\r\n`);
        await delay(20);
      }
      // While it goes on.
      await flight.sync();
      const saved = join();
      expect(saved.end?.reason).toBe('stopped');
      const savedReplay = await replayAll(saved);
      expect(savedReplay.checked).toBe(saved.digests.length);
      await machine.stop();
      await finished;
      await flight.stop('stopped');
      expect(flight.segments.length).toBeLessThanOrEqual(4);
      expect(files.filter(({ removed }) => removed).length).toBe(files.length - flight.segments.length);
      const whole = join();
      expect(whole.notice).toBeUndefined();
      const result = await replayAll(whole);
      expect(machine.printed.endsWith(result.printed) || result.printed.length > 0).toBe(true);
      expect(result.checked).toBe(whole.digests.length);
      expect(result.digest).toBe(machine.core.digest());
      // A process that was killed leaves a last part whose start is not whole, and one before that broke off.
      const last = flight.segments.at(-1)!.file.sink.bytes;
      const before = flight.segments.at(-2)!.file.sink.bytes;
      const cut = [before, last.subarray(0, 5000)].map((bytes, i) => new MemoryByteSource(`cut ${i}`, bytes));
      const rest = openBytes(new Uint8Array(Buffer.concat([...joinRecordings(cut, nodeCodec)])));
      expect((await replayAll(rest)).checked).toBe(rest.digests.length);
      expect(() => [...joinRecordings(cut.slice(1), nodeCodec)]).toThrow(/no recording that is whole/);
      await close();
    },
    patient(120_000),
  );
});

class FullSink extends MemorySink {
  private room: number;
  abandoned = false;

  constructor(room: number) {
    super();
    this.room = room;
  }
  override async append(bytes: Uint8Array): Promise<void> {
    this.room -= bytes.length;
    if (this.room < 0) throw new GodwitError('full', 'Cannot write the recording: no space is left.');
    await super.append(bytes);
  }
  override async abandon(): Promise<void> {
    this.abandoned = true;
  }
}

/** Takes nothing until it is told to hurry. */
class SlowSink extends MemorySink {
  private go: () => void = () => {};
  private readonly gone = new Promise<void>((resolve) => {
    this.go = resolve;
  });

  override async append(bytes: Uint8Array): Promise<void> {
    await this.gone;
    await super.append(bytes);
  }
  async hurry(): Promise<void> {
    await delay(20);
    this.go();
  }
}
