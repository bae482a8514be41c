import { beforeAll, describe, expect, it } from 'vitest';
import { Cause } from '../../src/hart/constants.ts';
import { CSR, direct, LEAF_ENTRY, MAPPED, PAGE } from './direct.ts';
import { Godwit } from './godwit.ts';
import * as I from './image.ts';
import { PTE, pte } from './tables.ts';

const ALL = PTE.V | PTE.R | PTE.W | PTE.X | PTE.A | PTE.D;
const INTERRUPT = 1n << 63n;
const MPRV = 1n << 17n;
const SUM = 1n << 18n;
const ADUE = 1n << 61n;
/** Cache-block instructions are allowed. */
const CBO = 0xf0n & ~0x20n;
const page = (flags: bigint) => pte(PAGE, flags);
const cause = (number: number) => BigInt(number);

/**
 * What the specification says where QEMU 7.2 can't be asked. Numbers of sections: privileged specification, unless said
 * otherwise.
 */
describe('rules of the specification', () => {
  let godwit: Godwit;
  beforeAll(async () => {
    godwit = await Godwit.create();
  });

  describe('12.3.1, Svade: A or D clear is a page fault, and the entry stays', () => {
    it.each([
      { name: 'load', instruction: 'ld', flags: ALL & ~PTE.A, expected: Cause.loadPageFault },
      { name: 'lr', instruction: 'lr.d', flags: ALL & ~PTE.A, expected: Cause.loadPageFault },
      { name: 'store', instruction: 'sd', flags: ALL & ~PTE.D, expected: Cause.storePageFault },
      { name: 'store, A only', instruction: 'sd', flags: ALL & ~PTE.A, expected: Cause.storePageFault },
      { name: 'amo', instruction: 'amoadd.d', flags: ALL & ~PTE.D, expected: Cause.storePageFault },
      { name: 'fetch', instruction: 'jalr', flags: ALL & ~PTE.A, expected: Cause.fetchPageFault },
    ])('$name', ({ instruction, flags, expected }) => {
      const result = direct(godwit, {
        privilege: 'S',
        leaf: page(flags),
        x: { 5: BigInt(MAPPED) },
        code: (a) => a.op(instruction, { rd: instruction === 'jalr' ? 0 : 8, rs1: 5, rs2: 6 }),
      });
      expect(result).toMatchObject({ cause: cause(expected), value: BigInt(MAPPED), leaf: page(flags) });
    });

    it.each([
      { name: 'load', instruction: 'ld', expected: PTE.A },
      { name: 'lr', instruction: 'lr.d', expected: PTE.A },
      { name: 'store', instruction: 'sd', expected: PTE.A | PTE.D },
      { name: 'sc', instruction: 'sc.d', expected: PTE.A | PTE.D },
      { name: 'amo', instruction: 'amoadd.d', expected: PTE.A | PTE.D },
      { name: 'cbo.flush', instruction: 'cbo.flush', expected: PTE.A },
      { name: 'cbo.zero', instruction: 'cbo.zero', expected: PTE.A | PTE.D },
      { name: 'fetch', instruction: 'jalr', expected: PTE.A },
    ])('12.3.2 step 9, Svadu: with menvcfg.ADUE they are set by: $name', ({ instruction, expected }) => {
      const leaf = page(ALL & ~PTE.A & ~PTE.D);
      const result = direct(godwit, {
        privilege: 'S',
        csr: { [CSR.menvcfg]: ADUE | CBO },
        leaf,
        x: { 5: BigInt(MAPPED) },
        memory: instruction === 'jalr' ? [[PAGE, 0x73n]] : [],
        code: (a) => a.op(instruction, { rd: instruction === 'jalr' ? 0 : 8, rs1: 5, rs2: 6 }),
      });
      expect(result).toMatchObject({ cause: cause(Cause.supervisorEcall), leaf: leaf | expected });
    });

    it('Svadu: an access that is not allowed sets nothing', () => {
      for (const flags of [PTE.V | PTE.R, PTE.V | PTE.R | PTE.W | PTE.U]) {
        const result = direct(godwit, {
          privilege: 'S',
          csr: { [CSR.menvcfg]: ADUE },
          leaf: page(flags),
          x: { 5: BigInt(MAPPED) },
          code: (a) => a.op('sd', { rs1: 5, rs2: 6 }),
        });
        expect(result).toMatchObject({ cause: cause(Cause.storePageFault), leaf: page(flags) });
      }
    });

    it('a load needs no D', () => {
      const leaf = page(ALL & ~PTE.D);
      const result = direct(godwit, {
        privilege: 'S',
        leaf,
        x: { 5: BigInt(MAPPED) },
        code: (a) => a.op('ld', { rd: 8, rs1: 5 }),
      });
      expect(result).toMatchObject({ cause: cause(Cause.supervisorEcall), leaf });
    });
  });

  it.each([
    { instruction: 'ld', expected: Cause.loadAccess },
    { instruction: 'sd', expected: Cause.storeAccess },
    { instruction: 'jalr', expected: Cause.fetchAccess },
  ])('12.3.2 step 2: a page table where nothing is, is an access fault ($instruction)', ({ instruction, expected }) => {
    const result = direct(godwit, {
      privilege: 'S',
      leaf: page(ALL),
      pointer: pte(0x9000_0000, PTE.V),
      x: { 5: BigInt(MAPPED) },
      code: (a) => a.op(instruction, { rd: instruction === 'jalr' ? 0 : 8, rs1: 5, rs2: 6 }),
    });
    expect(result).toMatchObject({ cause: cause(expected), value: BigInt(MAPPED) });
  });

  it('12.3.1: S-mode never runs a page of U-mode, whatever SUM let it load', () => {
    const result = direct(godwit, {
      privilege: 'S',
      status: SUM,
      leaf: page(ALL | PTE.U),
      x: { 5: BigInt(MAPPED) },
      code: (a) => {
        a.op('ld', { rd: 8, rs1: 5 });
        a.op('jalr', { rs1: 5 });
      },
    });
    expect(result).toMatchObject({ cause: cause(Cause.fetchPageFault), value: BigInt(MAPPED) });
  });

  it('table 14: an AMO on a page that can not be read is a store fault', () => {
    const result = direct(godwit, {
      privilege: 'S',
      leaf: page(ALL & ~PTE.R & ~PTE.W),
      x: { 5: BigInt(MAPPED) },
      code: (a) => a.op('amoswap.w', { rd: 8, rs1: 5, rs2: 6 }),
    });
    expect(result).toMatchObject({ cause: cause(Cause.storePageFault), value: BigInt(MAPPED) });
  });

  it.each(['sc.w', 'amoadd.d'])('unprivileged 13.2: a misaligned %s is a store/AMO fault', (instruction) => {
    const result = direct(godwit, {
      x: { 5: BigInt(PAGE + 2) },
      code: (a) => a.op(instruction, { rd: 8, rs1: 5, rs2: 6 }),
    });
    expect(result).toMatchObject({ cause: cause(Cause.storeMisaligned), value: BigInt(PAGE + 2) });
  });

  it.each(['csrrs', 'csrrc'])(
    'unprivileged 6.1: %s of a read-only register with a register that holds 0',
    (instruction) => {
      const result = direct(godwit, { code: (a) => a.op(instruction, { rd: 8, rs1: 6, immediate: 0xf11 }) });
      expect(result.cause).toBe(cause(Cause.illegalInstruction));
    },
  );

  it('unprivileged 29.1: ctzw of a word that is 0', () => {
    const result = direct(godwit, { x: { 5: -1n << 40n }, code: (a) => a.op('ctzw', { rd: 8, rs1: 5 }) });
    expect(result.x(8)).toBe(32n);
  });

  it.each(['sfence.w.inval', 'sfence.inval.ir', 'sinval.vma'])('Svinval: %s is illegal in U-mode', (instruction) => {
    const result = direct(godwit, { privilege: 'U', code: (a) => a.op(instruction) });
    expect(result.cause).toBe(cause(Cause.illegalInstruction));
  });

  it.each(['U', 'S'] as const)('3.1.6.3: leaving M-mode for %s clears MPRV', (privilege) => {
    expect(direct(godwit, { privilege, status: MPRV, code: () => {} }).status & MPRV).toBe(0n);
  });

  describe('3.1.9: of several interrupts the one of highest priority comes first', () => {
    const PRIORITY = [3, 7, 9, 1, 5];
    const all = PRIORITY.reduce((bits, number) => bits | (1n << BigInt(number)), 0n);
    it.each(PRIORITY.map((number, i) => ({ number, lower: PRIORITY.slice(i) })))(
      '$number before $lower',
      ({ number, lower }) => {
        const result = direct(godwit, {
          csr: { [CSR.mie]: lower.reduce((bits, one) => bits | (1n << BigInt(one)), 0n), [CSR.mip]: all },
          memory: [[I.CLINT + 0x4000, 0n]],
          x: { 6: 1n, 7: BigInt(I.CLINT) },
          code: (a) => {
            // Interrupts are off until the software interrupt is there as well.
            a.op('sw', { rs1: 7, rs2: 6 });
            a.op('csrrsi', { rs1: 8, immediate: CSR.mstatus });
          },
        });
        expect(result.cause).toBe(cause(number) | INTERRUPT);
      },
    );
  });

  describe('3.1.10: minstret and mcycle count what retires', () => {
    it.each([CSR.minstret, CSR.mcycle])('%i', (csr) => {
      const result = direct(godwit, {
        x: { 5: 1000n },
        code: (a) => {
          a.csrw(csr, 5);
          a.csrr(6, csr);
          a.op('addi', {});
          a.op('addi', {});
          a.csrr(7, csr);
        },
      });
      expect([result.x(6), result.x(7)]).toEqual([1000n, 1003n]);
    });
  });

  describe('Sstc: stimecmp below M needs menvcfg.STCE and mcounteren.TM', () => {
    const STCE = 1n << 63n;
    it.each([
      { menvcfg: 0n, mcounteren: 2n, legal: false },
      { menvcfg: STCE, mcounteren: 0n, legal: false },
      { menvcfg: STCE, mcounteren: 2n, legal: true },
    ])('$menvcfg, $mcounteren', ({ menvcfg, mcounteren, legal }) => {
      const result = direct(godwit, {
        privilege: 'S',
        csr: { [CSR.menvcfg]: menvcfg, [CSR.mcounteren]: mcounteren },
        code: (a) => a.csrr(8, CSR.stimecmp),
      });
      expect(result.cause).toBe(cause(legal ? Cause.supervisorEcall : Cause.illegalInstruction));
    });
  });

  describe('Zicboz and Zicbom', () => {
    const CBZE = 1n << 7n;
    const CBCFE = 1n << 6n;
    const CBIE = 3n << 4n;

    it('cbo.zero clears the block of 64 bytes around the address', () => {
      const result = direct(godwit, {
        x: { 5: BigInt(PAGE + 64 + 20) },
        memory: [
          [PAGE + 56, -1n],
          [PAGE + 120, -1n],
        ],
        code: (a) => {
          a.op('cbo.zero', { rs1: 5 });
          a.op('ld', { rd: 8, rs1: 5, immediate: 44 });
        },
      });
      expect(result.memory).toEqual([(1n << 64n) - 1n, 0n]);
    });

    it.each([
      { instruction: 'cbo.zero', bits: CBZE },
      { instruction: 'cbo.clean', bits: CBCFE },
      { instruction: 'cbo.flush', bits: CBCFE },
      { instruction: 'cbo.inval', bits: CBIE },
    ])('$instruction below M is allowed by menvcfg, and in U-mode by senvcfg', ({ instruction, bits }) => {
      const run = (privilege: 'S' | 'U', menvcfg: bigint, senvcfg: bigint) =>
        direct(godwit, {
          privilege,
          csr: { [CSR.menvcfg]: menvcfg, [CSR.senvcfg]: senvcfg },
          x: { 5: BigInt(PAGE) },
          code: (a) => a.op(instruction, { rs1: 5 }),
        }).cause;
      const illegal = cause(Cause.illegalInstruction);
      expect(run('S', 0n, bits)).toBe(illegal);
      expect(run('S', bits, 0n)).toBe(cause(Cause.supervisorEcall));
      expect(run('U', bits, 0n)).toBe(illegal);
      expect(run('U', 0n, bits)).toBe(illegal);
      expect(run('U', bits, bits)).toBe(cause(Cause.userEcall));
    });

    it.each(['cbo.zero', 'cbo.clean', 'cbo.inval'])('%s faults as a store', (instruction) => {
      const result = direct(godwit, {
        privilege: 'S',
        csr: { [CSR.menvcfg]: CBZE | CBCFE | CBIE },
        leaf: page(PTE.V),
        x: { 5: BigInt(MAPPED + 8) },
        code: (a) => a.op(instruction, { rs1: 5 }),
      });
      expect(result.cause).toBe(cause(Cause.storePageFault));
    });
  });

  describe('3.7.1.2: locked PMP entries', () => {
    const LOCKED_READ = 0x80n | 0x18n | 1n;
    const region = (BigInt(PAGE) >> 2n) | 511n;
    const lock = (a: { csrw(csr: number, rs1: number): void }) => {
      a.csrw(CSR.pmpaddr0 + 1, 6);
      a.csrw(CSR.pmpcfg0, 7);
    };
    /** Entry 1 over the page for reads only, before entry 0 that opens everything. */
    const x = { 5: BigInt(PAGE), 6: region, 7: (LOCKED_READ << 8n) | 0n };

    it('hold in M-mode', () => {
      const result = direct(godwit, {
        x,
        code: (a) => {
          lock(a);
          a.op('ld', { rd: 8, rs1: 5 });
          a.op('sd', { rs1: 5, rs2: 8 });
        },
      });
      expect(result).toMatchObject({ cause: cause(Cause.storeAccess), value: BigInt(PAGE) });
    });

    it.each([
      // addi x8, x0, 1; addi x8, x8, 2; addi x8, x8, 4: the third is behind the border
      { name: 'an instruction', words: [0x0024_0413_0010_0413n, 0x0004_8067_0044_0413n], reached: 3n },
      // c.nop; addi x8, x0, 1; addi x8, x8, 2: the border goes through the last
      { name: 'half an instruction', words: [0x0413_0010_0413_0001n, 0x8067_0044_0413_0024n], reached: 1n },
    ])('inside a page of code: $name is not executable', ({ words, reached }) => {
      const first = PAGE + 8;
      // TOR takes its lower end from the entry below.
      const LOCKED_READ_TOR = 0x80n | 0x08n | 1n;
      const result = direct(godwit, {
        x: {
          5: BigInt(PAGE),
          6: BigInt(first) >> 2n,
          7: BigInt(first + 8) >> 2n,
          10: LOCKED_READ_TOR << 16n,
        },
        memory: [
          [PAGE, words[0]!],
          [PAGE + 8, words[1]!],
        ],
        code: (a) => {
          a.csrw(CSR.pmpaddr0 + 1, 6);
          a.csrw(CSR.pmpaddr0 + 2, 7);
          a.csrw(CSR.pmpcfg0, 10);
          a.op('jalr', { rd: 9, rs1: 5 });
        },
      });
      expect(result).toMatchObject({ cause: cause(Cause.fetchAccess) });
      expect([result.x(8), result.value]).toEqual([reached, BigInt(first)]);
    });

    it('can not be written', () => {
      const result = direct(godwit, {
        x,
        code: (a) => {
          lock(a);
          a.csrw(CSR.pmpcfg0, 0);
          a.csrw(CSR.pmpaddr0 + 1, 0);
          a.csrr(8, CSR.pmpcfg0);
          a.csrr(9, CSR.pmpaddr0 + 1);
        },
      });
      expect([result.x(8), result.x(9)]).toEqual([LOCKED_READ << 8n, region]);
    });
  });

  it('the leaf of a mapped page is where the tests think', () => {
    const result = direct(godwit, {
      privilege: 'S',
      leaf: page(ALL),
      memory: [[PAGE + 8, 0x1234_5678n]],
      x: { 5: BigInt(MAPPED + 8), 6: BigInt(LEAF_ENTRY) },
      code: (a) => {
        a.op('ld', { rd: 8, rs1: 5 });
        a.op('ld', { rd: 9, rs1: 6 });
      },
    });
    expect([result.x(8), result.x(9)]).toEqual([0x1234_5678n, page(ALL)]);
  });
});
