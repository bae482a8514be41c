import { beforeAll, describe, expect, it } from 'vitest';
import { HEADER_BYTES } from '../../src/checkpoint/container/layout.ts';
import { MemoryByteSource } from '../../src/checkpoint/memory-byte-source.ts';
import { GodwitError } from '../../src/common/errors.ts';
import { RTC } from '../../src/machine/boot/memory-map.ts';
import type { ExternalEvent } from '../../src/machine/events.ts';
import { nodeCodec } from '../../src/platform/node/codec.ts';
import { ByteReader, ByteWriter } from '../../src/recording/bytes.ts';
import { EntryWriter, readEntries } from '../../src/recording/entries.ts';
import { END, EVENTS, PAGES, RECORD_HEADER_BYTES, START } from '../../src/recording/layout.ts';
import { frameRecord } from '../../src/recording/record-frame.ts';
import { Recording } from '../../src/recording/recording.ts';
import { type RecordPlace, scanRecords } from '../../src/recording/records.ts';
import { portableCodec } from '../../src/state/portable-codec.ts';
import { echoing } from '../api/programs.ts';
import { randomNumbers } from '../support/random.ts';
import { LiveMachine, MemorySink } from './live-recording.ts';
import { openBytes, replayAll } from './opened.ts';

const LONG = process.env.GODWIT_LONG === '1';
const SEED = Number(process.env.GODWIT_SEED ?? 5);

function recordsOf(bytes: Uint8Array): RecordPlace[] {
  return [...scanRecords(new MemoryByteSource('it', bytes), nodeCodec)];
}

/** What can be opened; an error is one of ours, with a clear code. */
function tryOpen(bytes: Uint8Array): Recording | GodwitError {
  try {
    return openBytes(bytes);
  } catch (error) {
    if (error instanceof GodwitError && ['damaged', 'unsupported'].includes(error.code)) return error;
    throw error;
  }
}

/** Points as text: bigints of far-away arrays compare slowly. */
function outline({ events }: Recording): string[] {
  return events.map(({ point, event }) => `${point.branches} ${point.pc} ${event.kind}`);
}

describe('the file of a recording', () => {
  let whole = new Uint8Array();
  let records: RecordPlace[] = [];
  let outlined: string[] = [];

  beforeAll(async () => {
    const machine = await LiveMachine.create({ images: { kernel: echoing() }, memoryBytes: 8 * 1024 ** 2 });
    const sink = new MemorySink();
    const recorder = machine.record(sink, { digestEveryMs: 15 });
    const finished = machine.start();
    for (let i = 0; i < 40; i++) {
      machine.type('x');
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    await machine.stop();
    await finished;
    await recorder.stop();
    whole = new Uint8Array(sink.bytes);
    records = recordsOf(whole);
    outlined = outline(openBytes(whole));
  }, 300_000);

  it('has a start, pages, a log in several records and an end', async () => {
    const types = records.map(({ type }) => type);
    expect(types[0]).toBe(START);
    expect(types.at(-1)).toBe(END);
    expect(types.filter((type) => type === EVENTS).length).toBeGreaterThan(3);
    expect(types.filter((type) => type === PAGES).length).toBeGreaterThan(0);
    expect(outlined.length).toBeGreaterThanOrEqual(40);
    expect((await replayAll(openBytes(whole))).checked).toBeGreaterThan(5);
  });

  it('reads alike with the portable codec', () => {
    const portable = Recording.open(new MemoryByteSource('it', whole), portableCodec);
    expect(outline(portable)).toEqual(outlined);
    expect(portable.digests).toEqual(openBytes(whole).digests);
  });

  it('is of use up to the last complete record, wherever it is cut', async () => {
    const random = randomNumbers(SEED);
    const edges = records.flatMap(({ offset, storedBytes }) => [
      offset,
      offset + 1,
      offset + RECORD_HEADER_BYTES + storedBytes - 1,
    ]);
    const lengths = [...edges, ...Array.from({ length: LONG ? 2000 : 100 }, () => random(whole.length))];
    const startEnd = records.findLast(({ type }) => type === 'PEND')!;
    for (const length of lengths) {
      const opened = tryOpen(whole.slice(0, length));
      const complete = records.filter(
        ({ offset, storedBytes }) => offset + RECORD_HEADER_BYTES + storedBytes <= length,
      );
      if (length < startEnd.offset + RECORD_HEADER_BYTES + startEnd.storedBytes) {
        expect(opened, `cut at ${length}, seed ${SEED}`).toBeInstanceOf(GodwitError);
        continue;
      }
      if (!(opened instanceof Recording)) throw opened;
      expect(opened.notice, `cut at ${length}`).toMatch(/is cut short; the last \d+ bytes|broke off without an end/);
      expect(outline(opened)).toEqual(outlined.slice(0, opened.events.length));
      const events = complete.filter(({ type }) => type === EVENTS).length;
      expect(opened.events.length > 0).toBe(events > 0);
    }
    for (const part of [0.5, 0.8, 0.95]) {
      const last = records.filter(({ type }) => type === EVENTS);
      const at = last[Math.floor(last.length * part)]!;
      const opened = openBytes(whole.slice(0, at.offset + at.storedBytes));
      expect((await replayAll(opened)).checked).toBe(opened.digests.length);
    }
  });

  it('never makes anybody throw but us, whatever is changed in it, and what is read is as it was', () => {
    const random = randomNumbers(SEED + 1);
    let refused = 0;
    for (let i = 0; i < (LONG ? 5000 : 250); i++) {
      const changed = whole.slice();
      const at = random(whole.length);
      const count = 1 + random(4);
      for (let k = 0; k < count; k++) changed[Math.min(whole.length - 1, at + k)]! ^= 1 + random(255);
      const opened = tryOpen(changed);
      if (opened instanceof GodwitError) {
        refused++;
        expect(opened.message).toMatch(/the recording/);
        continue;
      }
      expect(opened.notice, `byte ${at}, seed ${SEED + 1}`).toMatch(/damaged|cut short|goes on after/);
      expect(outline(opened)).toEqual(outlined.slice(0, opened.events.length));
    }
    expect(refused).toBeGreaterThan(0);
  });

  it('never makes anybody throw but us when content that makes no sense has a right checksum', () => {
    const random = randomNumbers(SEED + 2);
    for (let i = 0; i < (LONG ? 5000 : 300); i++) {
      const pieces: Uint8Array[] = [whole.subarray(0, HEADER_BYTES)];
      const victim = random(records.length);
      for (const [index, place] of records.entries()) {
        const start = place.offset + RECORD_HEADER_BYTES;
        const stored = whole.slice(start, start + place.storedBytes);
        if (index !== victim) {
          pieces.push(frameRecord(place.type, stored, place.inflatedBytes, nodeCodec.crc32));
          continue;
        }
        const content = place.inflatedBytes === 0 ? stored : nodeCodec.inflate(stored, place.inflatedBytes);
        const kind = random(4);
        for (let k = 0; k <= random(3); k++) if (content.length > 0) content[random(content.length)] = random(256);
        const cut = kind === 0 ? content.slice(0, random(content.length + 1)) : content;
        const inflated = kind === 1 ? random(2 ** 31) : 0;
        pieces.push(frameRecord(kind === 2 ? 'WHAT' : place.type, cut, inflated, nodeCodec.crc32));
      }
      const opened = tryOpen(new Uint8Array(Buffer.concat(pieces)));
      if (opened instanceof Recording) for (const { event } of opened.events) expect(event.kind).toBeDefined();
    }
  });

  it('of another kind, or newer, or none at all is refused in one sentence', () => {
    const header = (change: (view: DataView) => void) => {
      const bytes = whole.slice();
      const view = new DataView(bytes.buffer);
      change(view);
      view.setUint32(28, nodeCodec.crc32(bytes.subarray(0, 28)), true);
      return bytes;
    };
    const cases: [Uint8Array, string, RegExp][] = [
      [new Uint8Array(0), 'unsupported', /is not a recording/],
      [new TextEncoder().encode('#!/bin/sh\n'.repeat(10)), 'unsupported', /is not a recording/],
      [whole.slice(0, 20), 'damaged', /cut short/],
      [whole.slice(0, 32), 'damaged', /nothing to replay/],
      [header((view) => view.setUint32(12, 3, true)), 'unsupported', /newer godwit.*format 3/],
      [header((view) => view.setUint32(12, 1, true)), 'unsupported', /older godwit \(format 1\)/],
      [
        header((view) => view.setUint32(8, 0x54504b43, true)),
        'unsupported',
        /is not a recording, but a checkpoint of godwit/,
      ],
      [whole.map((byte, i) => (i === 15 ? 1 : byte)), 'damaged', /checksum of its header/],
    ];
    for (const [bytes, code, message] of cases) {
      const opened = tryOpen(bytes);
      expect(opened).toMatchObject({ code, message: expect.stringMatching(message) });
    }
  });

  it('passes over records that it need not know, and refuses those that it must', () => {
    const add = (type: string) => {
      const extra = frameRecord(type, new Uint8Array(5), 0, nodeCodec.crc32);
      const at = records[3]!.offset;
      return new Uint8Array(Buffer.concat([whole.subarray(0, at), extra, whole.subarray(at)]));
    };
    expect(outline(openBytes(add('hint')))).toEqual(outlined);
    expect(tryOpen(add('HINT'))).toMatchObject({ code: 'unsupported' });
  });
});

describe('entries of the log', () => {
  it('come back as they were', () => {
    const random = randomNumbers(SEED);
    const bytes = (length: number) => Uint8Array.from({ length }, () => random(256));
    const make: (() => ExternalEvent)[] = [
      () => ({ kind: 'clock', ticks: BigInt(random(2 ** 31)) << 20n, rate: BigInt(random(2 ** 31)) }),
      () => ({ kind: 'input', port: random(2) === 0 ? 'uart' : 'virtio', bytes: bytes(random(50)) }),
      () => ({ kind: 'resize', columns: random(65_536), rows: random(65_536) }),
      () => ({ kind: 'block', disk: random(6), id: random(2 ** 31), completion: { status: 'error' } }),
      () => ({ kind: 'block', disk: random(6), id: random(2 ** 31), completion: { status: 'ok' } }),
      () => ({ kind: 'block', disk: 1, id: 2 ** 40, completion: { status: 'ok', data: [bytes(random(5000))] } }),
      () => ({ kind: 'epoch', nanoseconds: (1n << 60n) + BigInt(random(1000)) }),
      () => ({ kind: 'identity', seed: bytes(32), generationId: bytes(16) }),
    ];
    const writer = new EntryWriter();
    const entries = [];
    const reached = [1n << 40n, 5n];
    for (let i = 0; i < 500; i++) {
      const hart = random(5) === 0 ? 1 : 0;
      if (random(3) > 0) reached[hart]! += BigInt(random(2 ** 30));
      const point = {
        hart,
        branches: reached[hart]!,
        pc: random(2) === 0 ? 0xffff_ffff_8000_0000n + BigInt(random(1000)) : BigInt(RTC.base),
      };
      const event = make[random(make.length)]!();
      writer.event({ point, event });
      entries.push({ kind: 'event', point, event });
      if (i % 50 !== 0) continue;
      writer.digest(point, bytes(30));
      writer.marker(point, { ticks: 1n << 50n, epochMs: 1_700_000_000_000 });
    }
    const content = writer.take();
    const read = [...readEntries(new ByteReader(content), () => content)];
    const events = read.filter(({ kind }) => kind === 'event');
    // Getters are read by spreading.
    const plain = events.map((entry) => (entry.kind === 'event' ? { ...entry, event: { ...entry.event } } : entry));
    expect(plain).toEqual(entries);
    expect(read.filter(({ kind }) => kind !== 'event').length).toBe(20);
    for (let length = 1; length < content.length; length += 97) {
      try {
        Array.from(readEntries(new ByteReader(content.subarray(0, length)), () => content));
      } catch (error) {
        expect(error instanceof RangeError || (error instanceof GodwitError && error.code === 'damaged')).toBe(true);
      }
    }
  });

  it('are passed over when they are unknown and optional, and refused as newer when they are not', () => {
    const point = { hart: 0, branches: 7n, pc: 8n };
    const known = (branches: bigint) => {
      const writer = new EntryWriter();
      writer.digest({ ...point, branches }, new Uint8Array(3));
      return writer.take();
    };
    const unknown = (kind: number) => {
      const bytes = new ByteWriter();
      bytes.u8(kind);
      bytes.varint(point.hart);
      bytes.varint(0);
      bytes.u64(point.pc);
      bytes.block(new Uint8Array(9));
      return bytes.take();
    };
    const entries = (kind: number) => {
      const content = new Uint8Array(Buffer.concat([known(7n), unknown(kind), known(1n)]));
      return [...readEntries(new ByteReader(content), () => content)];
    };
    expect(entries(0x45).map((entry) => entry.point.branches)).toEqual([7n, 8n]);
    expect(() => entries(0x3f)).toThrow(/made by a newer godwit: it has an entry of the kind 63/);
  });
});
