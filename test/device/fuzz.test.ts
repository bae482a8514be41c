import { describe, expect, it } from 'vitest';
import { Clint } from '../../src/device/clint/clint.ts';
import type { AccessWidth, MmioDevice } from '../../src/device/device.ts';
import { TestFinisher } from '../../src/device/finisher/test-finisher.ts';
import { Plic } from '../../src/device/plic/plic.ts';
import { GoldfishRtc } from '../../src/device/rtc/goldfish-rtc.ts';
import { Uart16550 } from '../../src/device/uart/uart16550.ts';
import type { BlockSubmission } from '../../src/device/virtio/block/backend.ts';
import { VirtioBlock } from '../../src/device/virtio/block/virtio-block.ts';
import { VirtioConsole } from '../../src/device/virtio/console/virtio-console.ts';
import { VirtioEntropy } from '../../src/device/virtio/entropy/virtio-entropy.ts';
import { EmptyVirtioSlots } from '../../src/device/virtio/mmio/empty-slots.ts';
import { VirtioMmio } from '../../src/device/virtio/mmio/virtio-mmio.ts';
import type { VirtioFunction } from '../../src/device/virtio/transport.ts';
import { ArrayGuestMemory, RAM_BASE } from './array-guest-memory.ts';
import { ClockDouble, forSeeds, HartsDouble, LineDouble, Random } from './doubles.ts';

/** A device, with what it is driven by and what can be seen of it. */
interface Subject {
  readonly device: MmioDevice;
  /** Offsets where something is; the fuzzer tries these more often than others. */
  readonly offsets: readonly number[];
  /** Something from outside happens, the same for the same numbers. */
  poke(what: number, value: number): void;
  /** Everything that shows outside the registers. */
  outside(): string;
  /** Carries over what is not the device's state. */
  follow(other: Subject): void;
  readonly memory?: ArrayGuestMemory;
}

const range = (start: number, end: number, step: number) =>
  Array.from({ length: Math.ceil((end - start) / step) }, (_, index) => start + index * step);

function clint(): Subject {
  const harts = new HartsDouble(3);
  const clock = new ClockDouble();
  const values = [1n, 2n, 3n];
  const compare = {
    get: (hart: number) => values[hart]!,
    set: (hart: number, value: bigint) => {
      values[hart] = value;
    },
  };
  const subject = {
    device: new Clint({ harts, clock, compare }),
    offsets: [...range(0, 20, 4), ...range(0x4000, 0x4020, 4), 0xbff8, 0xbffc],
    poke: (_: number, value: number) => {
      clock.now += BigInt(value);
    },
    outside: () => `${harts.snapshot()} ${values}`,
    follow: (other: Subject) => {
      const { clock: from, values: compares } = other as unknown as { clock: ClockDouble; values: bigint[] };
      clock.now = from.now;
      values.splice(0, 3, ...compares);
    },
    clock,
    values,
  };
  return subject;
}

function plic(): Subject {
  const harts = new HartsDouble(2);
  const device = new Plic({ harts });
  return {
    device,
    offsets: [
      ...range(0, 97 * 4, 4),
      ...range(0x1000, 0x1014, 4),
      ...range(0x2000, 0x2010, 4),
      ...range(0x2080, 0x2094, 4),
      ...range(0x2180, 0x2194, 4),
      ...range(0x20_0000, 0x20_4000, 0x1000),
      ...range(0x20_0004, 0x20_4004, 0x1000),
    ],
    poke: (what, value) => device.line(1 + (what % 96)).set(value % 2 === 1),
    outside: () => harts.snapshot(),
    follow: () => {},
  };
}

function uart(): Subject {
  const sent: number[] = [];
  const line = new LineDouble();
  const device = new Uart16550({ transmit: (byte) => sent.push(byte), line });
  return {
    device,
    offsets: range(0, 8, 1),
    poke: (what, value) => {
      if (what % 4 === 0) device.receiveBreak();
      else device.receive(new Random(value).bytes(value % 40));
    },
    outside: () => `${sent.splice(0)} ${line.level} ${device.receiveSpace}`,
    follow: () => {},
  };
}

function rtc(): Subject {
  const clock = new ClockDouble();
  const line = new LineDouble();
  const device = new GoldfishRtc({ clock, line });
  return {
    device,
    offsets: range(0, 0x24, 4),
    poke: (_, value) => {
      const due = device.nextAlarmTicks();
      const now = clock.now + BigInt(value);
      // As the machine does it: never past a deadline.
      clock.now = due !== undefined && due > clock.now && due < now ? due : now;
      device.tick();
    },
    outside: () => `${line.level} ${device.nextAlarmTicks()}`,
    follow: (other) => {
      clock.now = (other as Subject & { clock: ClockDouble }).clock.now;
    },
    ...{ clock },
  };
}

function finisher(): Subject {
  const finishes: string[] = [];
  return {
    device: new TestFinisher({ finish: ({ kind, code }) => finishes.push(`${kind}${code}`) }),
    offsets: [0],
    poke: () => {},
    outside: () => finishes.splice(0).join(),
    follow: () => {},
  };
}

function emptySlot(): Subject {
  return {
    device: new EmptyVirtioSlots(1),
    offsets: range(0, 0x110, 4),
    poke: () => {},
    outside: () => '',
    follow: () => {},
  };
}

/** Registers and rings at random: most of what a driver can do wrong, and by chance something right. */
function virtio(
  make: (memory: ArrayGuestMemory) => { device: VirtioFunction; poke: Subject['poke']; seen: () => string },
) {
  return (): Subject => {
    const memory = new ArrayGuestMemory(1 << 16);
    const line = new LineDouble();
    const { device, poke, seen } = make(memory);
    const mmio = new VirtioMmio({ name: 'virtio0', memory, line, device });
    return {
      device: mmio,
      offsets: [...range(0, 0x100, 4), 0x30, 0x38, 0x44, 0x44, 0x50, 0x50, 0x50, 0x70, 0x70, ...range(0x100, 0x13c, 1)],
      poke: (what, value) => {
        const way = what % 8;
        const choice = what >> 3;
        if (way < 3) poke(choice, value);
        else if (way < 6) publish(memory, mmio, choice);
        else if (way === 6) memory.writeU32(RAM_BASE + BigInt((choice % 0x180) * 4), value);
        else setUp(memory, mmio, choice);
      },
      outside: () => `${line.level} ${seen()}`,
      follow: (other) => {
        memory.copyIn(RAM_BASE, other.memory!.image());
      },
      memory,
    };
  };
}

const TABLE = RAM_BASE;
const DRIVER_AREA = RAM_BASE + 0x100n;
const DEVICE_AREA = RAM_BASE + 0x300n;
const HEADER = RAM_BASE + 0x600n;
const DATA = RAM_BASE + 0x1000n;

/** A driver's proper start, with chains of a header, data and a status byte, so that the fuzzer gets past it. */
function setUp(memory: ArrayGuestMemory, device: MmioDevice, choice: number): void {
  const set = (offset: number, word: number) => device.write(offset, 4, word);
  memory.copyIn(RAM_BASE, new Uint8Array(0x600));
  for (let index = 0; index < 16; index++) {
    const at = TABLE + BigInt(16 * index);
    const [address, length, flags] = [
      [HEADER + BigInt(16 * index), 16, 1],
      [DATA + BigInt(512 * index), 512, 1 | ((choice + index) % 3 === 0 ? 0 : 2)],
      [HEADER + 0x100n, 1, 2],
      [DATA, 100, (choice >> 4) & 2],
    ][index % 4] as [bigint, number, number];
    memory.writeU64(at, address);
    memory.writeU32(at + 8n, length);
    memory.writeU16(at + 12n, flags);
    memory.writeU16(at + 14n, index + 1);
    memory.writeU32(HEADER + BigInt(16 * index), [0, 1, 4, 8, 11, 13][(choice + index) % 6]!);
    memory.writeU64(HEADER + BigInt(16 * index) + 8n, BigInt(choice % 2050));
  }
  set(0x70, 0);
  set(0x70, 3);
  set(0x24, 0);
  set(0x20, ((choice & 3) << 28) | 0x4);
  set(0x24, 1);
  set(0x20, 1);
  set(0x70, 0xb);
  for (const queue of [0, 1]) {
    set(0x30, queue);
    set(0x38, 16);
    set(0x80, Number(TABLE));
    set(0x90, Number(DRIVER_AREA) + queue * 0x80);
    set(0xa0, Number(DEVICE_AREA) + queue * 0x100);
    set(0x44, 1);
  }
  set(0x70, 0xf);
}

/** Makes a buffer available as a driver does. */
function publish(memory: ArrayGuestMemory, device: MmioDevice, choice: number): void {
  const queue = choice & 1;
  const area = DRIVER_AREA + BigInt(queue * 0x80);
  const index = memory.readU16(area + 2n)!;
  memory.writeU16(area + 4n + BigInt(2 * (index % 16)), choice % 97 === 0 ? choice : ((choice >> 1) % 8) * 2);
  memory.writeU16(area + 2n, index + 1);
  device.write(0x50, 4, queue);
}

const virtioBlock = virtio((memory) => {
  const seen: string[] = [];
  const open: BlockSubmission[] = [];
  const backend = {
    submit: (submission: BlockSubmission) => {
      open.push(submission);
      seen.push(`${submission.id} ${submission.kind}`);
      if (submission.kind !== 'write') return;
      for (const { offset, length } of submission.spans) seen.push(`${memory.bytes.subarray(offset, offset + length)}`);
    },
    fence: () => seen.push('fence'),
  };
  const device = new VirtioBlock({ name: 'disk', sizeBytes: 1 << 20, readonly: false, serial: 'fuzz', backend });
  return {
    device,
    poke: (what, value) => {
      const submission = device.pendingRequests()[0];
      if (submission === undefined) return;
      const data = submission.kind === 'read' ? [new Random(value).bytes(submission.length)] : [];
      device.complete(submission.id, what % 5 === 0 ? { status: 'error' } : { status: 'ok', data });
    },
    seen: () => seen.splice(0).join(),
  };
});

const virtioConsole = virtio(() => {
  const seen: string[] = [];
  const transmit = (bytes: Uint8Array) => seen.push(`${bytes}`);
  const device = new VirtioConsole({ name: 'console', transmit, columns: 80, rows: 25 });
  return {
    device,
    poke: (what, value) => {
      if (what % 4 === 1) device.resize(value % 300, what % 100);
      else device.receive(new Random(value).bytes(value % 100));
    },
    seen: () => `${seen.splice(0)} ${device.receiveSpace}`,
  };
});

const virtioEntropy = virtio(() => ({
  device: new VirtioEntropy({ name: 'entropy', entropy: { fill: (into) => into.fill(into.length) } }),
  poke: () => {},
  seen: () => '',
}));

interface Step {
  readonly kind: 'read' | 'write' | 'poke' | 'reset';
  readonly offset: number;
  readonly width: AccessWidth;
  readonly value: number;
  /** For a poke: which one. */
  readonly what: number;
}

function randomStep(random: Random, subject: Subject): Step {
  const width = random.pick([1, 2, 4, 4, 4, 4] as const);
  const anywhere = random.chance(8);
  const offset = anywhere ? random.below(subject.device.sizeBytes) : random.pick(subject.offsets);
  const value = random.pick([
    random.u32(),
    random.below(256),
    random.below(4),
    0xffff_ffff,
    0x8000_0000 + random.below(1024),
  ]);
  return {
    kind: random.chance(400) ? 'reset' : random.pick(['read', 'read', 'write', 'write', 'poke'] as const),
    offset: random.chance(16)
      ? Math.min(offset + random.below(4), subject.device.sizeBytes - width)
      : Math.min(offset, subject.device.sizeBytes - width),
    width,
    what: random.u32() >>> 8,
    value: width === 4 ? value : value % 2 ** (8 * width),
  };
}

/** Does a step; gives what the guest and the outside see of it. */
function run(subject: Subject, step: Step): string {
  let result = 0;
  if (step.kind === 'read') {
    result = subject.device.read(step.offset, step.width);
    if (!Number.isInteger(result) || result < 0 || result >= 2 ** (8 * step.width)) {
      throw new Error(`read gave ${result} for ${step.width} bytes at ${step.offset}`);
    }
  } else if (step.kind === 'write') subject.device.write(step.offset, step.width, step.value);
  else if (step.kind === 'reset') subject.device.reset();
  else subject.poke(step.what, step.value);
  return `${result} ${subject.outside()}`;
}

describe('device registers under random use', { timeout: 60_000 }, () => {
  it.each<[string, () => Subject]>([
    ['CLINT', clint],
    ['PLIC', plic],
    ['UART', uart],
    ['RTC', rtc],
    ['finisher', finisher],
    ['empty virtio slot', emptySlot],
    ['virtio block', virtioBlock],
    ['virtio console', virtioConsole],
    ['virtio entropy', virtioEntropy],
  ])('%s never throws, and behaves alike after it is saved and restored', (_, make) => {
    forSeeds(6, (random) => {
      let subject = make();
      for (let round = 0; round < 4; round++) {
        for (let count = random.below(600); count > 0; count--) run(subject, randomStep(random, subject));
        const copy = make();
        // What goes on outside differs; from here on both see the same.
        for (let count = random.below(100); count > 0; count--) run(copy, randomStep(random, copy));
        copy.follow(subject);
        copy.device.restore(structuredClone(subject.device.save()));
        subject.outside();
        copy.outside();
        expect(copy.device.save()).toEqual(subject.device.save());
        for (let count = 0; count < 300; count++) {
          const step = randomStep(random, subject);
          const original = run(subject, step);
          if (run(copy, step) !== original) throw new Error(`differs after ${JSON.stringify(step)}`);
        }
        expect(copy.device.save()).toEqual(subject.device.save());
        if (copy.memory !== undefined && subject.memory !== undefined) {
          expect(Buffer.compare(copy.memory.image(), subject.memory.image())).toBe(0);
        }
        subject = copy;
      }
    });
  });
});
