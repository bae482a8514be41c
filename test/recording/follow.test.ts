/** A recording that is replayed while it is made. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GrowingByteSource } from '../../src/platform/byte-source.ts';
import { nodeCodec } from '../../src/platform/node/codec.ts';
import { Sampler } from '../../src/profile/index.ts';
import { FlightRecorder } from '../../src/recording/flight-recorder.ts';
import { Recording } from '../../src/recording/recording.ts';
import { Replayer } from '../../src/recording/replayer.ts';
import { FollowedRecording } from '../../src/service/recording/followed-recording.ts';
import { openRecording } from '../../src/service/recording/open-recording.ts';
import { RecordingFile } from '../../src/service/recording/recording-file.ts';
import { Player } from '../../src/service/replay/player.ts';
import { openTimeline } from '../../src/service/replay/recorded-timeline.ts';
import { echoing, spinning } from '../api/programs.ts';
import { MAIN, Run } from '../cli/support.ts';
import { guestImages } from '../support/guest.ts';
import { randomNumbers } from '../support/random.ts';
import { patient } from '../support/tiers.ts';
import { BootedMachine } from './booted-machine.ts';
import { LiveMachine, MemorySink } from './live-recording.ts';
import { openBytes, replayAll } from './opened.ts';

const BOOT = 'console=ttyS0 quiet cryptomgr.notests';
const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let folder = '';
const file = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-follow-'));
  writeFileSync(file('echoing'), echoing());
  writeFileSync(file('spinning'), spinning('busy'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file that comes to light piece by piece. */
class RevealedSource implements GrowingByteSource {
  readonly name = 'the recording';
  sizeBytes = 0;
  private revealedBytes = 0;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  reveal(bytes: number): void {
    this.revealedBytes = Math.min(this.bytes.length, this.revealedBytes + bytes);
  }

  refresh(): void {
    this.sizeBytes = this.revealedBytes;
  }

  read(offset: number, into: Uint8Array): void {
    expect(offset + into.length).toBeLessThanOrEqual(this.sizeBytes);
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  close(): void {}
}

/** A player that follows, and what it has shown. */
async function play(path: string) {
  const followed = await FollowedRecording.open(path, { everyMs: 5 });
  const { recording } = followed;
  const decoder = new TextDecoder();
  const shown = { text: '' };
  const player = await Player.open({
    recording,
    followed,
    output: async (bytes) => {
      shown.text += decoder.decode(bytes, { stream: true });
    },
  });
  player.speed = Number.POSITIVE_INFINITY;
  const shows = async (text: string) => {
    while (!shown.text.includes(text)) await delay(5);
  };
  return { recording, player, shown, shows, ended: player.play() };
}

describe('a recording that is still being made', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;
  let booted!: BootedMachine;

  beforeAll(async () => {
    if (!reason) booted = await BootedMachine.boot({ ...images, bootArguments: BOOT });
  }, 120_000);
  afterAll(() => booted?.close());

  it.skipIf(reason)(
    'shows what the machine shows, checks every digest, and ends with it',
    async () => {
      const { machine, close } = await booted.fork();
      const path = file('linux.rec');
      const recorder = machine.record(await RecordingFile.create(path), { digestEveryMs: 30, progressEveryMs: 20 });
      const finished = machine.start();
      const { player, recording, shown, shows, ended } = await play(path);
      expect(recording.isGrowing).toBe(true);
      machine.type('echo fi"rst"; head -c 300000 /dev/urandom | sha1sum; echo se"cond"\r');
      await shows('second\r\n');
      expect(player.replayer.core.current.branches).toBeLessThanOrEqual(recording.endPoint.branches);
      // Nothing but timers: it comes along all the same.
      machine.type('(sleep 0.3; echo wo"ken") &\r');
      await shows('woken');
      machine.type('echo th"ird"; poweroff\r');
      await finished;
      await recorder.stop('power-off');
      const end = await ended;
      expect(end).toMatchObject({ kind: 'end', stop: { finish: { kind: 'pass', code: 0 } } });
      expect(shown.text).toBe(machine.printed);
      expect(recording.isGrowing).toBe(false);
      expect(recording.notice).toBeUndefined();
      expect(player.replayer.checkedDigests).toBe(recorder.counts.digests);
      expect(recorder.counts.digests).toBeGreaterThan(3);
      expect(player.replayer.core.digest()).toBe(machine.core.digest());
      player.takeMachine().dispose();
      recording.close();
      await close();
    },
    patient(120_000),
  );

  it.skipIf(reason)(
    'is the same in whatever pieces it grows, and is never run past what is there',
    async () => {
      const { machine, close } = await booted.fork();
      const sink = new MemorySink();
      const recorder = machine.record(sink, { digestEveryMs: 30 });
      const finished = machine.start();
      machine.type('seq 1 3000 | sort -r | md5sum; sleep 0.3; echo do"ne"; poweroff\r');
      await finished;
      await recorder.stop('power-off');
      for (let seed = 1; seed <= 3; seed++) {
        const random = randomNumbers(seed);
        const source = new RevealedSource(sink.bytes);
        const begin = Recording.follow(source, nodeCodec);
        let recording: Recording | undefined;
        for (; !recording; recording = begin()) {
          source.reveal(random(3000));
          source.refresh();
        }
        const replayer = await Replayer.open(recording);
        let starved = 0;
        for (let kind = ''; kind !== 'end'; ) {
          source.reveal(random(120));
          recording.refresh();
          const { core } = replayer;
          kind = replayer.run(core.current.branches + BigInt(1 + random(3_000_000))).kind;
          if (kind === 'starved') starved++;
          expect(core.current.branches, `seed ${seed}`).toBeLessThanOrEqual(recording.endPoint.branches);
        }
        expect(starved).toBeGreaterThan(5);
        expect(replayer.checkedDigests).toBe(recorder.counts.digests);
        expect(replayer.core.digest(), `seed ${seed}`).toBe(machine.core.digest());
        replayer.detach().dispose();
      }
      await close();
    },
    patient(120_000),
  );

  it('of a busy machine to which nothing happens can be followed', async () => {
    const machine = await LiveMachine.create({ images: { kernel: spinning('busy') }, memoryBytes: 4 * 1024 ** 2 });
    const path = file('spinning.rec');
    const recorder = machine.record(await RecordingFile.create(path), { progressEveryMs: 20 });
    const finished = machine.start();
    const followed = await FollowedRecording.open(path, { everyMs: 5 });
    const replayer = await Replayer.open(followed.recording);
    let furthest = 0n;
    for (let times = 0; times < 5; times++) {
      while (replayer.core.current.branches === furthest) {
        await followed.changed();
        expect(replayer.run(1n << 60n)).toEqual({ kind: 'starved' });
      }
      furthest = replayer.core.current.branches;
      expect(furthest).toBeLessThanOrEqual(machine.core.current.branches);
    }
    expect(() => replayer.runToEnd()).toThrow(/has no end yet/);
    const timeline = await openTimeline({ recording: followed.recording });
    expect(timeline.runForward(1n << 60n)).toBe('end');
    expect(timeline.point.branches).toBe(followed.recording.endPoint.branches);
    expect(timeline.seekBranches(1000n)).toBe('there');
    expect(timeline.stepBack()).toBe('there');
    timeline.dispose();
    timeline.core.dispose();
    await machine.stop();
    await finished;
    await recorder.stop();
    while (followed.recording.isGrowing) await followed.changed();
    expect(replayer.runToEnd()).toEqual({ kind: 'end', finish: undefined });
    const again = await openRecording(path);
    expect((await replayAll(again)).digest).toBe(replayer.core.digest());
    again.close();
    replayer.detach().dispose();
    followed.recording.close();
  });

  it('is no recording to be played without being followed, and is refused when it is none', async () => {
    writeFileSync(file('text'), 'no recording, but long enough to be looked at');
    await expect(FollowedRecording.open(file('text'))).rejects.toMatchObject({ code: 'unsupported' });
    await expect(FollowedRecording.open(file('none'))).rejects.toMatchObject({ code: 'not-found' });
    writeFileSync(file('empty'), '');
    await expect(FollowedRecording.open(file('empty'))).rejects.toMatchObject({ code: 'unsupported' });
    const signal = { aborted: false };
    const held = await RecordingFile.create(file('late'));
    const waiting = FollowedRecording.open(file('late'), { signal });
    await delay(1500);
    signal.aborted = true;
    await expect(waiting).rejects.toMatchObject({ code: 'state' });
    await expect(RecordingFile.create(file('late'), { replace: true })).rejects.toMatchObject({ code: 'locked' });
    await held.remove();
  });
});

describe('a recording that another process makes', () => {
  it('is shown as it grows, by several at once, and ends with the guest', async () => {
    const path = file('echo.rec');
    const run = new Run(process.execPath, [MAIN, 'run', '--kernel', file('echoing'), '--record', path]);
    run.type('one ');
    await run.shows('one ');
    const followers = [1, 2].map(() => new Run(process.execPath, [MAIN, 'replay', path, '--follow']));
    for (const follower of followers) await follower.shows('one ');
    const here = await play(path);
    await here.shows('one ');
    run.type('two ');
    for (const follower of followers) await follower.shows('two ');
    await here.shows('two ');
    run.type('q');
    expect(await run.ended).toEqual({ status: 0, stdout: 'one two q', stderr: '' });
    for (const follower of followers) {
      expect(await follower.ended).toEqual({ status: 0, stdout: 'one two q', stderr: '' });
    }
    expect((await here.ended).kind).toBe('end');
    expect(here.shown.text).toBe('one two q');
    here.player.takeMachine().dispose();
    here.recording.close();
  }, 300_000);

  it('ends with a clear message when that one is killed', async () => {
    const path = file('killed.rec');
    const run = new Run(process.execPath, [MAIN, 'run', '--kernel', file('echoing'), '--record', path]);
    run.type('one ');
    await run.shows('one ');
    const follower = new Run(process.execPath, [MAIN, 'replay', path, '--follow']);
    await follower.shows('one ');
    // Nothing happens for a while, which is no end.
    await delay(2500);
    run.type('two ');
    await follower.shows('two ');
    run.child.kill('SIGKILL');
    await run.ended;
    const { status, stdout, stderr } = await follower.ended;
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'one two ' });
    expect(stderr).toMatch(/^godwit: .*killed\.rec (broke off without an end|is cut short)/);
    const opened = await openRecording(path);
    expect((await replayAll(opened)).printed).toBe('one two ');
    opened.close();
  }, 300_000);
});

describe('several that listen to one machine', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;

  it.skipIf(reason)(
    'record, keep the last minutes and profile it at once, and agree where they overlap',
    async () => {
      const booted = await BootedMachine.boot({ ...images, bootArguments: BOOT });
      const { machine, close } = await booted.fork();
      const sampler = new Sampler(machine.core, { nowMs: () => performance.now() });
      const sinks = [new MemorySink(), new MemorySink(), new MemorySink()];
      const first = machine.record(sinks[0]!, { digestEveryMs: 40 });
      const flight = new FlightRecorder({
        keepMs: 3_600_000,
        nowMs: () => performance.now(),
        begin: () => ({
          recorder: machine.makeRecorder(sinks[2]!, { digestEveryMs: 60 }),
          remove: async () => {},
        }),
      });
      machine.observe(flight);
      const finished = machine.start();
      machine.type('seq 1 5000 | sort -r | md5sum; echo o"ne"\r');
      await machine.shows('one\r\n');
      const second = machine.record(sinks[1]!, { digestEveryMs: 25 });
      machine.type('head -c 200000 /dev/urandom | gzip | wc -c; echo t"wo"; poweroff\r');
      await finished;
      await Promise.all([first.stop('power-off'), second.stop('power-off'), flight.stop('power-off')]);
      const recordings = sinks.map((sink) => openBytes(sink.bytes));
      const from = recordings[1]!.start.point.branches;
      const events = recordings.map((recording) => recording.events.filter(({ point }) => point.branches > from));
      expect(events[1]!.length).toBeGreaterThan(3);
      expect(events[0]).toEqual(events[1]);
      expect(recordings[0]!.events).toEqual(recordings[2]!.events);
      for (const recording of recordings) {
        const replay = await replayAll(recording);
        expect(replay.finish).toEqual({ kind: 'pass', code: 0 });
        expect(replay.checked).toBe(recording.digests.length);
        expect(replay.digest).toBe(machine.core.digest());
      }
      expect(sampler.samples.length).toBeGreaterThan(50);
      await close();
      await booted.close();
    },
    patient(120_000),
  );
});
