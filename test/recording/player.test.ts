import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { makeRecordedMachine, Replayer } from '../../src/recording/replayer.ts';
import { Timeline } from '../../src/replay/timeline.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { LiveFromReplay } from '../../src/service/replay/live-from-replay.ts';
import { Player } from '../../src/service/replay/player.ts';
import { ReplayCheckpointer } from '../../src/service/replay/replay-checkpointer.ts';
import { ReplayDisks } from '../../src/service/replay/replay-disks.ts';
import { guestImages } from '../support/guest.ts';
import { patient } from '../support/tiers.ts';
import { LiveMachine, MemorySink } from './live-recording.ts';
import { openBytes } from './opened.ts';

const MIB = 1024 ** 2;
const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a recording that is played', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;
  const folder = mkdtempSync(join(tmpdir(), 'godwit-player-'));
  const disk = join(folder, 'disk.qcow2');
  const blank = join(folder, 'blank.qcow2');
  let bytes = new Uint8Array();
  let printed = '';
  /** The machine's digest where it stood when the recording ended. */
  let lastDigest = 0n;

  beforeAll(async () => {
    if ('reason' in images) return;
    for (const path of [disk, blank]) await createDisk(path, { sizeBytes: 8 * MIB });
    const opened = await openDisk(disk);
    const machine = await LiveMachine.create({
      images: { ...images, bootArguments: 'console=ttyS0 quiet cryptomgr.notests' },
      disks: [opened],
    });
    const sink = new MemorySink();
    const recorder = machine.record(sink, { digestEveryMs: 50 });
    const finished = machine.start();
    await machine.shows('~#');
    machine.type(
      'echo fir"st"; sleep 1; echo seco"nd"; echo on the disk >/tmp/t; dd if=/tmp/t of=/dev/vda conv=fsync\r',
    );
    await machine.shows('records out');
    await delay(300);
    machine.type('echo th"ird"\r');
    await machine.shows('third\r\n');
    await delay(200);
    machine.runner.pause();
    await delay(50);
    await recorder.stop();
    lastDigest = machine.core.digest();
    await machine.stop();
    await finished;
    await opened.close();
    bytes = new Uint8Array(sink.bytes);
    printed = machine.printed;
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const play = async (disks?: ReplayDisks) => {
    let shown = '';
    const decoder = new TextDecoder();
    const recording = openBytes(bytes);
    const player = await Player.open({
      recording,
      output: async (piece) => {
        shown += decoder.decode(piece, { stream: true });
      },
      options: { shared: true, ...(disks && { backend: (index: number) => disks.backend(index) }) },
    });
    disks?.attach(player.replayer.core);
    return { player, recording, shown: () => shown };
  };

  it.skipIf(reason)(
    'shows all of it, at any speed, and ends where it ended',
    async () => {
      for (const speed of [Number.POSITIVE_INFINITY, 50]) {
        const { player, recording, shown } = await play();
        player.speed = speed;
        const end = await player.play();
        expect(end).toEqual({ kind: 'end', stop: { kind: 'end', finish: undefined } });
        expect(shown()).toBe(printed);
        expect(player.seconds).toBeCloseTo(player.totalSeconds, 1);
        expect(player.checkedDigests).toBe(recording.digests.length);
        expect(player.checkedDigests).toBeGreaterThan(0);
        expect(player.point).toEqual(recording.endPoint);
        if (openBytes(bytes).end?.digest) expect(player.replayer.core.digest()).toBe(lastDigest);
        player.close();
      }
    },
    patient(60_000),
  );

  it.skipIf(reason)(
    'goes to a text, a branch count and a time',
    async () => {
      const { player, shown } = await play();
      expect(await player.seek({ kind: 'text', text: 'first\r\n' })).toBe(true);
      expect(shown()).toContain('first\r\n');
      expect(shown()).not.toContain('second\r\n');
      const { seconds } = player;
      // The guest sleeps for a second there: time does not jump over the place.
      expect(await player.seek({ kind: 'time', seconds: seconds + 0.5 })).toBe(true);
      expect(player.seconds).toBeLessThan(seconds + 0.6);
      expect(shown()).not.toContain('second\r\n');
      const branches = player.replayer.core.current.branches + 12_345n;
      expect(await player.seek({ kind: 'branch', branches })).toBe(true);
      expect(player.replayer.core.current.branches).toBe(branches);
      expect(await player.seek({ kind: 'text', text: 'third\r\n' })).toBe(true);
      expect(await player.seek({ kind: 'text', text: 'no such text' })).toBe(false);
      expect(shown()).toBe(printed);
    },
    patient(60_000),
  );

  it.skipIf(reason)(
    'stands still when it is paused, and ends when it is interrupted',
    async () => {
      const { player } = await play();
      expect(await player.seek({ kind: 'text', text: 'first\r\n' })).toBe(true);
      player.pause();
      const playing = player.play();
      await delay(50);
      const { branches } = player.replayer.core.current;
      await delay(100);
      expect(player.replayer.core.current.branches).toBe(branches);
      player.resume();
      await delay(150);
      player.interrupt();
      expect(await playing).toEqual({ kind: 'interrupted' });
      expect(player.replayer.core.ticks).toBeGreaterThan(player.replayer.recording.start.ticks);
    },
    patient(60_000),
  );

  it.skipIf(reason)(
    'goes live from any place, with its disks as the guest left them',
    async () => {
      for (const place of ['first\r\n', 'third\r\n']) {
        const disks = await ReplayDisks.open([{ path: blank }], openBytes(bytes).start.disks);
        const { player, shown, recording } = await play(disks);
        expect(await player.seek({ kind: 'text', text: place })).toBe(true);
        const before = shown().length;
        const live = new LiveFromReplay({
          core: player.takeMachine(),
          consolePort: recording.start.consolePort,
          disks,
        });
        const running = live.run();
        const shows = async (text: string) => {
          while (!shown().includes(text, before)) await delay(5);
        };
        // After `first` the guest goes on by itself to do what it did.
        if (place === 'first\r\n') await shows('records out');
        live.type(new TextEncoder().encode('echo 3 >/proc/sys/vm/drop_caches; head -c 11 /dev/vda; echo al"ive"\r'));
        await shows('alive\r\n');
        expect(shown().slice(before)).toMatch(/\non the disk/);
        // Recorded long ago: its real-time clock is right at once.
        live.type(new TextEncoder().encode('echo no""w $(cat /sys/class/rtc/rtc0/since_epoch)\r'));
        await shows('now ');
        await shows('\r\n');
        const [, seconds] = /now (\d+)\r/.exec(shown()) ?? [];
        expect(Math.abs(Date.now() / 1000 - Number(seconds))).toBeLessThan(60);
        live.type(new TextEncoder().encode('poweroff\r'));
        expect(await running).toEqual({ kind: 'pass', code: 0 });
        await disks.close();
      }
      const untouched = await openDisk(blank, { readonly: true });
      const start = new Uint8Array(512);
      await untouched.read(0, start);
      expect(start.every((byte) => byte === 0)).toBe(true);
      await untouched.close();
    },
    patient(60_000),
  );

  it.skipIf(reason)(
    'can be kept as it is at any place, and forked, without the replay noticing',
    async () => {
      const recording = openBytes(bytes);
      const replayer = await Replayer.open(recording, { reservedBytes: 512 * MIB });
      const { core } = replayer;
      const first = recording.start.point.branches;
      const step = (recording.endPoint.branches - first) / 6n;
      for (let i = 1n; i < 6n; i++) {
        replayer.run(first + i * step);
        const snapshot = core.snapshot();
        const fork = core.fork(snapshot, {});
        expect(fork.digest()).toBe(core.digest());
        snapshot.memory.release();
        // Another machine from here on.
        for (let n = 0; n < 40; n++) fork.step();
        fork.dispose();
      }
      expect(replayer.runToEnd().finish).toBeUndefined();
      expect(replayer.checkedDigests).toBe(recording.digests.length);
    },
    patient(60_000),
  );

  it.skipIf(reason)(
    'becomes checkpoints at any place, with its disks as they were there, and goes on',
    async () => {
      const store = join(folder, 'checkpoints');
      const disks = await ReplayDisks.open([{ path: blank }], openBytes(bytes).start.disks);
      const { player, recording, shown } = await play(disks);
      const checkpointer = new ReplayCheckpointer({ core: player.replayer.core, recording, disks });
      for (const [name, text] of [
        ['empty', 'first\r\n'],
        ['written', 'records out'],
      ] as const) {
        expect(await player.seek({ kind: 'text', text })).toBe(true);
        await checkpointer.keep({ name, store });
      }
      await expect(checkpointer.keep({ name: 'written', store })).rejects.toMatchObject({ code: 'usage' });
      player.speed = Number.POSITIVE_INFINITY;
      expect((await player.play()).kind).toBe('end');
      expect(shown()).toBe(printed);
      expect(player.replayer.checkedDigests).toBe(recording.digests.length);
      await disks.close();
      const machine = await Machine.restore('written', { store });
      await machine.start();
      await machine.console.write('echo 3 >/proc/sys/vm/drop_caches; head -c 11 /dev/vda; echo en""d\r');
      await machine.console.waitFor('end');
      expect(machine.console.transcript).toMatch(/\non the disk/);
      await machine.stop();
    },
    patient(60_000),
  );

  it.skipIf(reason)('refuses disks that cannot be the machine’s', async () => {
    const { disks } = openBytes(bytes).start;
    await expect(ReplayDisks.open([], disks)).rejects.toMatchObject({ code: 'usage' });
    const other = join(folder, 'other.qcow2');
    await createDisk(other, { sizeBytes: 4 * MIB });
    await expect(ReplayDisks.open([{ path: other }], disks)).rejects.toMatchObject({ code: 'usage' });
  });

  it.skipIf(reason)(
    'can be gone through in both directions',
    async () => {
      const recording = openBytes(bytes);
      const core = await makeRecordedMachine(recording, { reservedBytes: 512 * MIB });
      const { events, endPoint } = recording;
      const timeline = new Timeline({ core, events, endBranches: endPoint.branches });
      const middle = (recording.start.point.branches + endPoint.branches) / 2n;
      timeline.seekBranches(endPoint.branches);
      const last = core.digest();
      timeline.seekBranches(middle);
      expect(timeline.stepBack()).toBe('there');
      const registers = timeline.registers();
      expect(registers.get('pc')).toBe(timeline.point.pc);
      expect(registers.get('branches')).toBe(timeline.point.branches);
      expect(registers.get('x2')).toBe(BigInt.asUintN(64, core.current.x(2)));
      expect(timeline.ticks).toBe(core.ticks);
      const replayer = await Replayer.open(recording);
      const place = timeline.point;
      replayer.run(place.branches);
      while (replayer.core.current.pc !== place.pc) replayer.core.step();
      expect(core.digest()).toBe(replayer.core.digest());
      timeline.seekBranches(endPoint.branches);
      expect(core.digest()).toBe(last);
      timeline.dispose();
    },
    patient(60_000),
  );
});
