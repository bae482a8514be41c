import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDisk } from '../../src/backend/disk/live/open-disk.ts';
import type { BlockCompletion } from '../../src/device/virtio/block/backend.ts';
import { HoldingGate, OPEN_GATE } from '../../src/run/output-gate.ts';
import { DiskPort } from '../../src/service/disk/disk-port.ts';
import { recordingHost } from '../../src/service/recording/recording-host.ts';
import { LiveMachine, MemorySink } from '../recording/live-recording.ts';
import { openBytes, replayAll } from '../recording/opened.ts';
import { guestImages } from '../support/guest.ts';
import { randomNumbers } from '../support/random.ts';
import { patient } from '../support/tiers.ts';

const MIB = 1024 ** 2;
const SEEDS = process.env.GODWIT_LONG === '1' ? 3000 : 300;
const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('an open gate', () => {
  it('lets everything out at once', () => {
    const left: number[] = [];
    for (const number of [1, 2, 3]) OPEN_GATE.release(1000, () => left.push(number));
    expect(left).toEqual([1, 2, 3]);
  });
});

describe('a gate that holds', () => {
  it('loses, doubles and reorders nothing, and lets nothing out before its point, whatever happens', () => {
    const totals = { outputs: 0, full: 0, held: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = randomNumbers(seed);
      const limitBytes = 64 + random(5000);
      let position = 0;
      let opened = Number.NEGATIVE_INFINITY;
      let made = 0;
      const dropAt = random(3) === 0 ? random(200) : Number.POSITIVE_INFINITY;
      const left: number[] = [];
      const dropped: number[] = [];
      let full = false;
      const gate = new HoldingGate({
        position: () => position,
        limitBytes,
        onFull: (now) => {
          expect(now, `seed ${seed}`).toBe(!full);
          full = now;
          totals.full++;
        },
      });
      const release = (depth: number): void => {
        const own = made++;
        const point = position;
        const leave = () => {
          expect(point, `seed ${seed}`).toBeLessThanOrEqual(opened);
          left.push(own);
          // An output may lead to another one at once, or to more room.
          if (depth < 3 && random(8) === 0) release(depth + 1);
        };
        gate.release(random(600), leave, () => dropped.push(own));
      };
      for (let step = 0; step < 200; step++) {
        const what = random(10);
        if (step === dropAt) gate.drop();
        else if (what < 4) release(0);
        else if (what < 7) position += random(4);
        else {
          const to = random(position + 3);
          opened = Math.max(opened, to);
          gate.openUpTo(to);
        }
        expect(gate.isFull).toBe(full);
        if (gate.heldBytes > limitBytes) expect(full, `seed ${seed}`).toBe(true);
        if (gate.heldCount === 0) expect(full, `seed ${seed}`).toBe(false);
        expect(gate.heldCount).toBe(made - left.length - dropped.length);
      }
      totals.held += gate.heldCount;
      if (dropAt >= 200) {
        opened = Number.POSITIVE_INFINITY;
        gate.openUpTo(opened);
        expect(dropped).toEqual([]);
      }
      expect(gate.heldCount).toBe(0);
      expect(gate.heldBytes).toBe(0);
      expect(left, `seed ${seed}`).toEqual([...left].sort((a, b) => a - b));
      expect(
        [...left, ...dropped].sort((a, b) => a - b),
        `seed ${seed}`,
      ).toEqual(Array.from({ length: made }, (_, i) => i));
      totals.outputs += made;
    }
    expect(totals.full).toBeGreaterThan(SEEDS / 2);
    expect(totals.held).toBeGreaterThan(SEEDS);
  });

  it('holds what changes a disk, but not what reads it, and answers nothing that is dropped', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'godwit-gate-'));
    const path = join(folder, 'disk.img');
    writeFileSync(path, new Uint8Array(MIB).fill(1));
    const disk = await openDisk(path);
    const memory = new Uint8Array(4096).fill(7);
    const answers: { id: number; completion: BlockCompletion }[] = [];
    const gate = new HoldingGate({ position: () => 1, limitBytes: MIB });
    const port = new DiskPort({
      disk,
      memory: () => memory,
      complete: (id, completion) => answers.push({ id, completion }),
      failed: () => {},
      gate,
    });
    const spans = [{ offset: 0, length: 512 }];
    port.submit({ kind: 'write', id: 1, offset: 0, length: 512, spans });
    // It is held with what memory had at that time.
    memory.fill(9);
    port.submit({ kind: 'read', id: 2, offset: 4096, length: 512 });
    port.submit({ kind: 'flush', id: 3 });
    await delay(50);
    expect(answers.map(({ id }) => id)).toEqual([2]);
    expect((await readFile(path))[0]).toBe(1);
    gate.openUpTo(1);
    await port.drain();
    expect(answers.map(({ id }) => id).sort()).toEqual([1, 2, 3]);
    expect((await readFile(path)).subarray(0, 513)).toEqual(Buffer.concat([Buffer.alloc(512, 7), Buffer.alloc(1, 1)]));
    await disk.close();

    const again = await openDisk(path);
    const closed = new HoldingGate({ position: () => 1, limitBytes: MIB });
    const given = new DiskPort({
      disk: again,
      memory: () => memory,
      complete: () => answers.pop(),
      failed: () => {},
      gate: closed,
    });
    given.submit({ kind: 'write', id: 4, offset: 0, length: 512, spans });
    closed.drop();
    given.submit({ kind: 'write', id: 5, offset: 0, length: 512, spans });
    await given.drain();
    expect(answers).toHaveLength(3);
    expect((await readFile(path))[0]).toBe(7);
    await again.close();
    rmSync(folder, { recursive: true });
  });
});

describe('a machine behind a gate', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;

  it.skipIf(reason)(
    'shows and writes nothing until it is opened, then all in order, and does not notice that its console is held',
    async () => {
      if ('reason' in images) return;
      const folder = mkdtempSync(join(tmpdir(), 'godwit-gate-'));
      const path = join(folder, 'disk.img');
      writeFileSync(path, new Uint8Array(4 * MIB));
      const disk = await openDisk(path);
      let events = 0;
      const full: boolean[] = [];
      const gate = new HoldingGate({ position: () => events, limitBytes: 64 * MIB, onFull: (now) => full.push(now) });
      const machine = await LiveMachine.create({
        images: { ...images, bootArguments: 'console=ttyS0 quiet cryptomgr.notests' },
        disks: [disk],
        gate,
      });
      const sink = new MemorySink();
      const recorder = machine.record(sink, { host: recordingHost(), digestEveryMs: 100 });
      machine.observe({
        event: () => {
          events++;
        },
      });
      const finished = machine.start();
      // It boots, unseen.
      const heldText = () => gate.heldCount > 0;
      while (!heldText()) await delay(20);
      await delay(1500);
      expect(machine.printed).toBe('');
      machine.type(
        '[ -e /dev/vda ] || modprobe virtio_blk; while [ ! -e /dev/vda ]; do sleep 0.1; done; echo re"ady"\r',
      );
      const isThere = machine.shows('ready');
      const opening = setInterval(() => gate.openUpTo(events), 5);
      await isThere;
      clearInterval(opening);
      const from = machine.printed.length;
      const sawEvents = events;
      machine.type('echo -n on-the-disk >/dev/vda; sync; echo writ""ten; poweroff\r');
      await delay(1500);
      // The write waits at the gate, and the guest for it.
      expect(machine.printed.length).toBe(from);
      expect((await readFile(path)).subarray(0, 11).toString()).not.toBe('on-the-disk');
      expect(events).toBeGreaterThan(sawEvents);
      const reopening = setInterval(() => gate.openUpTo(events), 5);
      expect(await finished).toEqual({ kind: 'pass', code: 0 });
      clearInterval(reopening);
      gate.openUpTo(events);
      await recorder.stop('power-off');
      expect((await readFile(path)).subarray(0, 11).toString()).toBe('on-the-disk');
      // A replay prints the same in the same order, and comes to the same state.
      const replay = await replayAll(openBytes(sink.bytes));
      expect(replay.printed).toBe(machine.printed);
      expect(replay.printed).toContain('written');
      expect(replay.digest).toBe(machine.core.digest());
      expect(full).toEqual([]);
      machine.core.dispose();
      await disk.close();
      rmSync(folder, { recursive: true });
    },
    patient(120_000),
  );
});
