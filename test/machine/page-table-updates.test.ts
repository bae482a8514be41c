import { describe, expect, it } from 'vitest';
import { Access, ENVCFG_ADUE, Privilege } from '../../src/hart/constants.ts';
import * as L from '../../src/hart/layout.ts';
import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import type { TranslationOptions } from '../../src/machine/engine.ts';
import type { PlainData } from '../../src/state/plain-data.ts';
import { Assembler } from '../differential/assembler.ts';
import { PTE, pte, satpOf } from '../differential/tables.ts';

const MIB = 1024 ** 2;
const RAM = 0x8000_0000;
const ROOT = RAM + 0x10_0000;
const ROOT_PAGE = (ROOT - RAM) / 4096;
const MENVCFG = 0x30a;
const CSR = { mstatus: 0x300, mtvec: 0x305, mepc: 0x341, satp: 0x180, pmpcfg0: 0x3a0, pmpaddr0: 0x3b0 };
/** Gigapages of RAM: the first with A and D clear, the second with both set. */
const FRESH = 0x4000_0000;
const USED = 0x8000_0000;
const ENTRY = BigInt(ROOT + 8);
const ALL = PTE.V | PTE.R | PTE.W | PTE.X;
const CLEAR = pte(RAM, ALL);

function optionsOf(translation: Partial<TranslationOptions> = {}, code?: Uint8Array): CoreOptions {
  return {
    memoryBytes: 2 * MIB,
    seed: new Uint8Array(32),
    translation,
    load: ({ ram, current }) => {
      ram.writeU64(ENTRY, CLEAR);
      ram.writeU64(ENTRY + 8n, CLEAR | PTE.A | PTE.D);
      if (code) ram.copyIn(BigInt(RAM), code);
      current.pc = BigInt(RAM);
    },
  };
}

async function machine(): Promise<MachineCore> {
  const core = await MachineCore.create(optionsOf());
  begin(core);
  return core;
}

function begin({ current, engine }: MachineCore): void {
  current.put(L.SATP, satpOf('sv39', ROOT));
  engine.interpreter.csr_write(current.address, CSR.pmpaddr0, (1n << 54n) - 1n);
  engine.interpreter.csr_write(current.address, CSR.pmpcfg0, 0x1fn);
}

type Kind = keyof typeof Access;

/** The physical address that a walk gives S-mode; -1n after a fault. */
function walk({ engine, current }: MachineCore, kind: Kind, address = FRESH): bigint {
  current.put(L.TRAP_PENDING, 0n);
  const found = engine.interpreter.translate(current.address, BigInt(address), Access[kind], Privilege.S);
  return found < 0n ? found : found & ~4095n;
}

const flagsOf = ({ ram }: MachineCore): bigint => ram.readU64(ENTRY)! & (PTE.A | PTE.D);

describe('A and D bits of page-table entries', () => {
  it.each([
    ['fetch', PTE.A],
    ['load', PTE.A],
    ['store', PTE.A | PTE.D],
  ] as const)('are set by a %s, as far as it needs them', async (kind, flags) => {
    const core = await machine();
    expect(walk(core, kind)).toBe(BigInt(RAM));
    expect(flagsOf(core)).toBe(flags);
    core.dispose();
  });

  it('stay where menvcfg.ADUE is clear, and the access faults', async () => {
    const core = await machine();
    const { interpreter } = core.engine;
    interpreter.csr_write(core.current.address, MENVCFG, 0n);
    for (const kind of ['fetch', 'load', 'store'] as const) expect(walk(core, kind)).toBe(-1n);
    expect(flagsOf(core)).toBe(0n);
    interpreter.csr_write(core.current.address, MENVCFG, ENVCFG_ADUE);
    expect(walk(core, 'load')).toBe(BigInt(RAM));
    core.dispose();
  });

  it('are written to memory of the machine alone, and that is noticed', async () => {
    const core = await machine();
    const before = core.snapshot();
    const written = core.ram.watchWrites();
    const fork = core.fork(before, {});
    walk(core, 'load', USED);
    expect(written.has(ROOT_PAGE)).toBe(false);
    walk(core, 'store');
    expect(written.has(ROOT_PAGE)).toBe(true);
    expect(flagsOf(core)).toBe(PTE.A | PTE.D);
    expect(flagsOf(fork)).toBe(0n);
    walk(fork, 'load');
    expect(flagsOf(fork)).toBe(PTE.A);
    const page = new Uint8Array(4096);
    before.memory.readPage(ROOT_PAGE, page);
    expect(new DataView(page.buffer).getBigUint64(8, true)).toBe(CLEAR);
    before.memory.release();
    fork.dispose();
    core.dispose();
  });

  it('are written to a page that came from a source', async () => {
    const core = await machine();
    const table = core.ram.copyOut(BigInt(ROOT), 4096)!;
    const source = {
      read: (page: number, into: Uint8Array) => {
        if (page === ROOT_PAGE) into.set(table);
        return page === ROOT_PAGE;
      },
      hotPages: [],
      close: () => {},
    };
    const restored = await MachineCore.restore(optionsOf(), core.save(), source);
    expect(walk(restored, 'store')).toBe(BigInt(RAM));
    expect(flagsOf(restored)).toBe(PTE.A | PTE.D);
    expect(new DataView(table.buffer).getBigUint64(8, true)).toBe(CLEAR);
    restored.dispose();
    core.dispose();
  });
});

describe('the board virt-1', () => {
  type Fields = { [name: string]: PlainData };

  /** The state as a machine of that board has it. */
  function asVirt1(state: PlainData): PlainData {
    const { harts, ...rest } = state as Fields;
    const [hart] = harts as Fields[];
    const { names, values } = hart!.registers as { names: string; values: Uint8Array };
    const changed = values.slice();
    new DataView(changed.buffer).setBigUint64(8 * names.split(' ').indexOf('menvcfg'), 0n, true);
    return { ...rest, boardVersion: 'virt-1', harts: [{ ...hart, registers: { names, values: changed } }] };
  }

  it('never sets them: menvcfg.ADUE can not be set, and is clear after a reset', async () => {
    const core = await machine();
    const source = { read: () => false, hotPages: [], close: () => {} };
    const old = await MachineCore.restore(optionsOf(), asVirt1(core.save()), source);
    const { interpreter } = old.engine;
    const menvcfg = () => interpreter.csr_read(old.current.address, MENVCFG, 0);
    interpreter.csr_write(old.current.address, MENVCFG, -1n);
    expect(menvcfg() & ENVCFG_ADUE).toBe(0n);
    expect(menvcfg()).not.toBe(0n);
    old.reset();
    expect(menvcfg()).toBe(0n);
    begin(old);
    expect(walk(old, 'load')).toBe(-1n);
    core.reset();
    expect(core.current.get(L.MENVCFG)).toBe(ENVCFG_ADUE);
    old.dispose();
    core.dispose();
  });
});

const MPRV_S = (1n << 17n) | (1n << 11n);
const X = { entry: 5, fresh: 6, status: 7, seen: 8, log: 9, resume: 20, mark: 21 };
const POWER_OFF = 0x5555n;
const FINISHER = 0x10_0000n;

/**
 * An entry that is an instruction, too: V, R and U are `addi`; with A, they are a floating-point instruction, which is
 * illegal here. The page that it maps is chosen so that it is `addi x8, x1, 512`.
 */
const AS_CODE = pte(RAM + 0x21 * 4096, PTE.V | PTE.R | PTE.U);
const LEAF_TABLE = ROOT + 0x2000;
const LEAF_ADDRESS = 0xc000_0000;

/**
 * In M-mode, which is not translated: runs the entry as code, loads through it (MPRV), and runs it again, all that
 * `times` times over with an entry that is new each time. Logs x8 after each run. The entry lies in a table, or where
 * the program itself does.
 */
function program(times: number, entry: number): Uint8Array {
  const a = new Assembler(RAM);
  a.li(X.entry, BigInt(entry));
  a.li(X.fresh, BigInt(LEAF_ADDRESS + (entry & 0xff8) * 512));
  a.li(X.status, MPRV_S | (1n << 18n));
  a.li(X.log, BigInt(RAM + 0x8000));
  a.li(1, 100n);
  a.li(X.seen, satpOf('sv39', ROOT));
  a.csrw(CSR.satp, X.seen);
  a.li(X.seen, (1n << 54n) - 1n);
  a.csrw(CSR.pmpaddr0, X.seen);
  a.li(X.seen, 0x1fn);
  a.csrw(CSR.pmpcfg0, X.seen);
  a.op('auipc', { rd: X.seen });
  const handler = a.address - 4;
  const skip = a.label();
  a.op('addi', { rd: X.seen, rs1: X.seen, immediate: 16 });
  a.csrw(CSR.mtvec, X.seen);
  a.to(skip, 'jal');
  expect(a.address).toBe(handler + 16);
  // What is no instruction ends the run of the entry.
  a.csrw(CSR.mepc, X.resume);
  a.op('mret');
  a.place(skip);
  a.li(X.mark, BigInt(times));
  const again = a.label();
  a.place(again);
  a.li(X.seen, AS_CODE);
  a.op('sd', { rs1: X.entry, rs2: X.seen });
  a.op('fence.i');
  a.op('sfence.vma');
  for (const load of [true, false]) {
    a.li(X.seen, 0n);
    a.op('auipc', { rd: X.resume });
    a.op('addi', { rd: X.resume, rs1: X.resume, immediate: 12 });
    a.op('jalr', { rs1: X.entry });
    a.op('sd', { rs1: X.log, rs2: X.seen });
    a.op('addi', { rd: X.log, rs1: X.log, immediate: 8 });
    if (!load) continue;
    a.op('csrrs', { rs1: X.status, immediate: CSR.mstatus });
    a.op('lbu', { rd: X.seen, rs1: X.fresh });
    a.op('csrrc', { rs1: X.status, immediate: CSR.mstatus });
    a.li(X.seen, 3n << 11n);
    a.op('csrrs', { rs1: X.seen, immediate: CSR.mstatus });
  }
  a.op('addi', { rd: X.mark, rs1: X.mark, immediate: -1 });
  a.to(again, 'bne', { rs1: X.mark });
  a.li(X.seen, FINISHER);
  a.li(X.resume, POWER_OFF);
  a.op('sw', { rs1: X.seen, rs2: X.resume });
  return a.finish();
}

describe('an entry that is code as well', () => {
  const TIMES = 6;
  const tables = [
    { where: 'in a page of its own', entry: LEAF_TABLE + 8 * 5 },
    { where: 'in the page of the program that runs', entry: RAM + 0x800 },
  ];
  const tiers = [
    { tier: 'interpreted', translation: { enabled: false } },
    { tier: 'translated', translation: { threshold: 1 } },
  ];
  const runs = tables.flatMap((table) => tiers.map((tier) => ({ ...table, ...tier })));

  it.each(runs)('is decoded again when A is set: $where, $tier', async ({ entry, translation }) => {
    const options = optionsOf(translation, program(TIMES, entry));
    const core = await MachineCore.create(options);
    core.ram.writeU64(BigInt(ROOT + 24), pte(ROOT + 0x1000, PTE.V));
    core.ram.writeU64(BigInt(ROOT + 0x1000), pte(entry - (entry % 4096), PTE.V));
    // Every page shared with a snapshot, again and again: those that are written move while they run.
    for (let i = 0; i < 400; i++) {
      const { memory } = core.snapshot();
      const { kind } = core.run(core.current.branches + 1n);
      memory.release();
      if (kind === 'finished') break;
    }
    const log = Array.from({ length: 2 * TIMES }, (_, i) => core.ram.readU64(BigInt(RAM + 0x8000 + 8 * i)));
    expect(log).toEqual(Array.from({ length: TIMES }, () => [612n, 0n]).flat());
    expect(core.ram.readU64(BigInt(entry))).toBe(AS_CODE | PTE.A);
    core.dispose();
  });
});
