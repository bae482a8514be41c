import { describe, expect, it } from 'vitest';
import { handleEcall } from '../../src/machine/boot/index.ts';
import { RAM_BASE } from '../device/array-guest-memory.ts';
import { forSeeds } from '../device/doubles.ts';
import { HartDouble, ServicesDouble } from './support/sbi-doubles.ts';

const BASE = 0x10n;
const TIME = 0x54494d45n;
const IPI = 0x735049n;
const RFENCE = 0x52464e43n;
const HSM = 0x48534dn;
const SRST = 0x53525354n;
const DBCN = 0x4442434en;

const NOT_SUPPORTED = -2n;
const INVALID_PARAM = -3n;
const INVALID_ADDRESS = -5n;
const ALREADY_AVAILABLE = -6n;
const ALL = -1n;
const RAM_BYTES = 64n * 1024n;

interface Outcome {
  error: bigint;
  value: bigint;
  log: string[];
}

/** One call; checks that registers other than a0 and a1 stay. */
function call(services: ServicesDouble, eid: bigint, fid: bigint, ...values: bigint[]): Outcome {
  return callFrom(new HartDouble(), services, eid, fid, ...values);
}

function callFrom(hart: HartDouble, services: ServicesDouble, eid: bigint, fid: bigint, ...values: bigint[]): Outcome {
  services.log.length = 0;
  hart.setX(17, BigInt.asUintN(64, eid));
  hart.setX(16, BigInt.asUintN(64, fid));
  values.forEach((value, index) => {
    hart.setX(10 + index, BigInt.asUintN(64, value));
  });
  const before = [...hart.registers];
  handleEcall(hart, services);
  hart.registers.forEach((value, register) => {
    if (register !== 10 && register !== 11) expect(value).toBe(before[register]);
  });
  return {
    error: BigInt.asIntN(64, hart.registers[10]!),
    value: BigInt.asIntN(64, hart.registers[11]!),
    log: [...services.log],
  };
}

const done = (...log: string[]): Outcome => ({ error: 0n, value: 0n, log });
const gives = (value: bigint): Outcome => ({ error: 0n, value, log: [] });
const fails = (error: bigint): Outcome => ({ error, value: 0n, log: [] });

describe('the base extension', () => {
  const services = new ServicesDouble();

  it('tells versions and identities', () => {
    expect(call(services, BASE, 0n)).toEqual(gives(0x0200_0000n));
    expect(call(services, BASE, 1n)).toEqual(gives(0x67647774n));
    expect(call(services, BASE, 2n)).toEqual(gives(1n));
    for (const fid of [4n, 5n, 6n]) expect(call(services, BASE, fid)).toEqual(gives(0n));
    expect(call(services, BASE, 7n)).toEqual(fails(NOT_SUPPORTED));
  });

  it('tells which extensions there are', () => {
    const present = [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN];
    for (const eid of present) expect(call(services, BASE, 3n, eid)).toEqual(gives(1n));
    const absent = [
      9n,
      0xfn,
      0x11n,
      0x504d55n,
      0x53555350n,
      0x43505043n,
      0x4e41434cn,
      0x535441n,
      -1n,
      1n << 32n,
      (1n << 32n) + BASE,
    ];
    for (const eid of absent) expect(call(services, BASE, 3n, eid)).toEqual(gives(0n));
  });
});

it('an extension or function that does not exist is not supported', () => {
  const services = new ServicesDouble();
  for (const eid of [9n, 0x504d55n, -1n, (1n << 32n) + BASE]) {
    expect(call(services, eid, 0n, 1n, 2n)).toEqual(fails(NOT_SUPPORTED));
  }
  for (const eid of [TIME, IPI, SRST]) expect(call(services, eid, 1n, 0n, 0n)).toEqual(fails(NOT_SUPPORTED));
  for (const eid of [RFENCE, HSM, DBCN]) expect(call(services, eid, 99n, 0n, 0n)).toEqual(fails(NOT_SUPPORTED));
  for (const eid of [BASE, TIME, DBCN]) expect(call(services, eid, -1n, 0n, 0n)).toEqual(fails(NOT_SUPPORTED));
});

it('the timer extension sets the deadline of the calling hart, all 64 bits of it', () => {
  const services = new ServicesDouble();
  expect(callFrom(new HartDouble(2), services, TIME, 0n, 12345n)).toEqual(done('timer 2 12345'));
  expect(callFrom(new HartDouble(0, true), services, TIME, 0n, -1n)).toEqual(done(`timer 0 ${2n ** 64n - 1n}`));
});

describe('hart masks', () => {
  const services = new ServicesDouble(70);

  it('name harts from a base on', () => {
    expect(call(services, IPI, 0n, 0b101n, 0n)).toEqual(done('ipi 0,2'));
    expect(call(services, IPI, 0n, 0b11n, 68n)).toEqual(done('ipi 68,69'));
    expect(call(services, IPI, 0n, 1n << 63n, 0n)).toEqual(done('ipi 63'));
    expect(call(services, IPI, 0n, 0n, 0n)).toEqual(done('ipi '));
  });

  it('name all harts with a base of all ones', () => {
    expect(call(new ServicesDouble(3), IPI, 0n, 0n, ALL)).toEqual(done('ipi 0,1,2'));
  });

  it('that name a hart which does not exist are refused', () => {
    for (const [mask, base] of [
      [0b100n, 68n],
      [1n, 70n],
      [0n, 70n],
      [1n, -2n],
      [1n, 1n << 40n],
    ] as const) {
      expect(call(services, IPI, 0n, mask, base)).toEqual(fails(INVALID_PARAM));
      expect(call(services, RFENCE, 0n, mask, base)).toEqual(fails(INVALID_PARAM));
    }
  });
});

it('the fence extension passes ranges and address spaces on', () => {
  const services = new ServicesDouble();
  expect(call(services, RFENCE, 0n, 0b110n, 0n)).toEqual(done('fence.i 1,2'));
  expect(call(services, RFENCE, 1n, 1n, 1n, 0x1000n, 0x2000n)).toEqual(done('sfence.vma 1 4096+8192'));
  expect(call(services, RFENCE, 1n, 1n, 0n, 0n, 0n)).toEqual(done('sfence.vma 0'));
  expect(call(services, RFENCE, 1n, 1n, 0n, 0x1000n, -1n)).toEqual(done('sfence.vma 0'));
  expect(call(services, RFENCE, 2n, 0n, ALL, 0x1000n, 0x1000n, 7n)).toEqual(done('sfence.vma 0,1,2 4096+4096 asid 7'));
  for (const hypervisor of [3n, 4n, 5n, 6n]) {
    expect(call(services, RFENCE, hypervisor, 1n, 0n)).toEqual(fails(NOT_SUPPORTED));
  }
});

describe('the hart state extension', () => {
  const services = new ServicesDouble();

  it('tells states', () => {
    expect(call(services, HSM, 2n, 0n)).toEqual(gives(0n));
    expect(call(services, HSM, 2n, 1n)).toEqual(gives(1n));
    services.states[2] = 'resume-pending';
    expect(call(services, HSM, 2n, 2n)).toEqual(gives(6n));
    for (const hart of [3n, -1n, 1n << 32n]) expect(call(services, HSM, 2n, hart)).toEqual(fails(INVALID_PARAM));
  });

  it('starts stopped harts at addresses in RAM', () => {
    const address = RAM_BASE + 0x100n;
    expect(call(services, HSM, 0n, 1n, address, 99n)).toEqual(done('start 1 80000100 99'));
    expect(call(services, HSM, 0n, 0n, address, 0n)).toEqual(fails(ALREADY_AVAILABLE));
    expect(call(services, HSM, 0n, 3n, address, 0n)).toEqual(fails(INVALID_PARAM));
    for (const bad of [0n, RAM_BASE - 2n, RAM_BASE + 1n, RAM_BASE + RAM_BYTES, -2n]) {
      expect(call(services, HSM, 0n, 1n, bad, 0n)).toEqual(fails(INVALID_ADDRESS));
    }
  });

  it('stops the calling hart, which gets no answer', () => {
    const hart = new HartDouble(1);
    expect(callFrom(hart, services, HSM, 1n)).toEqual({ error: 1010n, value: 1011n, log: ['stop 1'] });
  });

  it('suspends with registers kept, and not otherwise', () => {
    expect(callFrom(new HartDouble(1), services, HSM, 3n, 0n)).toEqual(done('suspend 1'));
    // The type has 32 bits.
    expect(call(services, HSM, 3n, 1n << 32n)).toEqual(done('suspend 0'));
    for (const type of [0x8000_0000n, 0x1000_0000n, 0x7fff_ffffn, 0x9000_0000n, 0xffff_ffffn]) {
      expect(call(services, HSM, 3n, type)).toEqual(fails(NOT_SUPPORTED));
    }
    for (const type of [1n, 0x0fff_ffffn, 0x8000_0001n, 0x8fff_ffffn]) {
      expect(call(services, HSM, 3n, type)).toEqual(fails(INVALID_PARAM));
    }
  });
});

describe('the reset extension', () => {
  const services = new ServicesDouble();

  it.each([
    [0n, 0n, 'reset shutdown none'],
    [0n, 1n, 'reset shutdown failure'],
    [1n, 0n, 'reset cold-reboot none'],
    [2n, 0xe000_0000n, `reset warm-reboot ${0xe000_0000}`],
    // 32-bit values may come sign-extended.
    [0n, -1n, `reset shutdown ${0xffff_ffff}`],
  ])('ends the run: type %d, reason %d', (type, reason, line) => {
    expect(call(services, SRST, 0n, type, reason).log).toEqual([line]);
  });

  it('refuses types and reasons that mean nothing', () => {
    for (const [type, reason] of [
      [3n, 0n],
      [0xefff_ffffn, 0n],
      [0n, 2n],
      [0n, 0xdfff_ffffn],
      [0xf000_0000n, 2n],
    ] as const) {
      expect(call(services, SRST, 0n, type, reason)).toEqual(fails(INVALID_PARAM));
    }
    expect(call(services, SRST, 0n, 0xf000_0000n, 0n)).toEqual(fails(NOT_SUPPORTED));
  });
});

describe('the debug console', () => {
  const text = new TextEncoder().encode('hello');

  it('writes from memory', () => {
    const services = new ServicesDouble();
    services.memory.copyIn(RAM_BASE + 0xffen, text);
    expect(call(services, DBCN, 0n, 5n, RAM_BASE + 0xffen, 0n)).toEqual(gives(5n));
    expect(services.output).toEqual([...text]);
    expect(call(services, DBCN, 0n, 0n, RAM_BASE, 0n)).toEqual(gives(0n));
    expect(call(services, DBCN, 2n, 0x1241n)).toEqual(gives(0n));
    expect(services.output.at(-1)).toBe(0x41);
  });

  it('reads into memory what input there is', () => {
    const services = new ServicesDouble();
    services.input = [...text];
    expect(call(services, DBCN, 1n, 3n, RAM_BASE + 0xffen, 0n)).toEqual(gives(3n));
    expect(call(services, DBCN, 1n, 100n, RAM_BASE + 0x1001n, 0n)).toEqual(gives(2n));
    expect(call(services, DBCN, 1n, 100n, RAM_BASE, 0n)).toEqual(gives(0n));
    expect(services.memory.copyOut(RAM_BASE + 0xffen, 5)).toEqual(text);
    expect(services.memory.image().filter((byte) => byte !== 0).length).toBe(5);
  });

  it('moves no more than a page at a time', () => {
    const services = new ServicesDouble();
    expect(call(services, DBCN, 0n, RAM_BYTES, RAM_BASE, 0n)).toEqual(gives(4096n));
    expect(services.output.length).toBe(4096);
  });

  it('refuses memory that is not there, and takes no input then', () => {
    const services = new ServicesDouble();
    services.input = [...text];
    const end = RAM_BASE + RAM_BYTES;
    const ranges = [
      [1n, 0n, 0n],
      [1n, RAM_BASE, 1n],
      [2n, end - 1n, 0n],
      [RAM_BYTES + 1n, RAM_BASE, 0n],
      [2n, RAM_BASE - 1n, 0n],
      [-1n, RAM_BASE, 0n],
      [-1n, 1n, 0n],
      [16n, -8n, 0n],
      [(1n << 64n) - RAM_BASE + 1n, RAM_BASE, 0n],
    ] as const;
    for (const fid of [0n, 1n]) {
      for (const range of ranges) expect(call(services, DBCN, fid, ...range), `${range}`).toEqual(fails(INVALID_PARAM));
    }
    expect(services.output).toEqual([]);
    expect(services.input.length).toBe(5);
  });
});

describe('legacy calls', () => {
  const services = new ServicesDouble();
  /** They leave a1 as it was. */
  const legacy = (eid: bigint, ...values: bigint[]): bigint => {
    const hart = new HartDouble();
    const outcome = callFrom(hart, services, eid, 77n, ...values);
    if (values.length < 2) expect(outcome.value).toBe(1011n);
    return outcome.error;
  };

  it('set the timer', () => {
    expect(legacy(0n, 5n)).toBe(0n);
    expect(services.log).toEqual(['timer 0 5']);
  });

  it('write and read the console', () => {
    expect(legacy(1n, 0x141n)).toBe(0n);
    expect(services.output).toEqual([0x41]);
    services.input = [0xff];
    expect(legacy(2n)).toBe(0xffn);
    expect(legacy(2n)).toBe(-1n);
  });

  it('go to all harts', () => {
    expect(legacy(3n)).toBe(0n);
    expect(services.log).toEqual(['clear 0']);
    expect(legacy(4n, 0xdead_0000n)).toBe(0n);
    expect(services.log).toEqual(['ipi 0,1,2']);
    expect(legacy(5n, 0n)).toBe(0n);
    expect(services.log).toEqual(['fence.i 0,1,2']);
    for (const eid of [6n, 7n]) {
      expect(legacy(eid, 0n)).toBe(0n);
      expect(services.log).toEqual(['sfence.vma 0,1,2']);
    }
  });

  it('shut down without an answer', () => {
    expect(legacy(8n)).toBe(1010n);
    expect(services.log).toEqual(['reset shutdown none']);
  });
});

it('no call whatever throws', () => {
  const extensions = [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN];
  const edges = [
    0n,
    1n,
    2n,
    0x8000_0000n,
    0xffff_ffffn,
    1n << 32n,
    1n << 63n,
    -1n,
    -2n,
    RAM_BASE,
    RAM_BASE + RAM_BYTES - 1n,
  ];
  forSeeds(20, (random) => {
    const services = new ServicesDouble(1 + random.below(70));
    services.input = [...random.bytes(100)];
    for (let count = 0; count < 200; count++) {
      const value = (): bigint =>
        random.chance(2)
          ? random.pick(edges)
          : (BigInt(random.u32()) << BigInt(random.below(33))) + BigInt(random.u32());
      const hart = new HartDouble(0, random.chance(2));
      const eid = random.chance(10) ? value() : random.pick(extensions);
      callFrom(hart, services, eid, BigInt(random.below(8)), value(), value(), value(), value(), value(), value());
    }
  });
});
