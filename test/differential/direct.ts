import { Assembler } from './assembler.ts';
import type { Godwit } from './godwit.ts';
import * as I from './image.ts';
import { SystemBatch } from './system-batch.ts';
import * as S from './system-runner.ts';
import { PTE, pte, satpOf } from './tables.ts';

/** Cases of a few instructions that run in godwit alone: rules where QEMU 7.2 does otherwise, or has nothing. */

export const CSR = {
  stvec: 0x105,
  scounteren: 0x106,
  senvcfg: 0x10a,
  stimecmp: 0x14d,
  satp: 0x180,
  mstatus: 0x300,
  mideleg: 0x303,
  mie: 0x304,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mepc: 0x341,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
  mcycle: 0xb00,
  minstret: 0xb02,
} as const;

const NEVER = -1n;
const MTIMECMP = I.CLINT + 0x4000;
const ALL = PTE.V | PTE.R | PTE.W | PTE.X | PTE.A | PTE.D;

const LAYOUT = new S.SystemLayout({
  slots: 3,
  clearSlots: false,
  csrsIn: [CSR.menvcfg, CSR.senvcfg, CSR.mcounteren, CSR.stimecmp, CSR.mip, CSR.mie, CSR.satp],
  csrsOut: [],
  quietCsrs: [
    [CSR.mie, 0n],
    [CSR.satp, 0n],
  ],
  quietStores: [
    { address: I.CLINT, width: 4, value: 0n },
    { address: MTIMECMP, width: 8, value: NEVER },
  ],
});

/** A page of memory for a case, and where its one small page is mapped. */
export const PAGE = I.RAM + 0x40_0000;
export const MAPPED = 0x1_0000_0000;
const ROOT = I.TABLES;
export const LEAF_ENTRY = I.TABLES + 0x2000;

export interface DirectCase {
  readonly privilege?: 'M' | 'S' | 'U';
  /** Bits of mstatus beside the mode. */
  readonly status?: bigint;
  /** Registers x5 to x12 to begin with. */
  readonly x?: Readonly<Record<number, bigint>>;
  readonly csr?: Readonly<Record<number, bigint>>;
  /** The leaf that maps MAPPED under Sv39, where RAM is mapped as well. */
  readonly leaf?: bigint;
  /** Where the root entry above MAPPED leads, if not to the tables. */
  readonly pointer?: bigint;
  /** Words of memory before: address and value. At most two. */
  readonly memory?: readonly (readonly [address: number, value: bigint])[];
  readonly code: (a: Assembler) => void;
}

export interface DirectResult {
  readonly cause: bigint;
  readonly value: bigint;
  readonly pc: bigint;
  readonly status: bigint;
  x(register: number): bigint;
  /** The word of memory that was given, and the leaf, afterwards. */
  readonly memory: readonly bigint[];
  readonly leaf: bigint;
}

const MPP = { U: 0n, S: 1n << 11n, M: 3n << 11n } as const;

function tables(user: boolean, pointer: bigint): I.Segment[] {
  const entry = (address: number, value: bigint) => ({
    address,
    data: new Uint8Array(BigUint64Array.of(value).buffer),
  });
  return [
    entry(ROOT + 16, pte(I.RAM, user ? ALL | PTE.U : ALL)),
    entry(ROOT + 32, pointer),
    entry(ROOT + 0x1000, pte(LEAF_ENTRY, PTE.V)),
  ];
}

/** Runs one case; it ends with an `ecall` if nothing else ends it. */
export function direct(godwit: Godwit, one: DirectCase): DirectResult {
  const { privilege = 'M', status = 0n, x = {}, csr = {}, leaf, memory = [] } = one;
  const a = new Assembler(I.CODE);
  one.code(a);
  a.op('ecall');
  const pointer = one.pointer ?? pte(ROOT + 0x1000, PTE.V);
  const code = { address: I.CODE, data: a.finish() };
  const batch = new SystemBatch(LAYOUT, 1, [code, ...tables(privilege === 'U', pointer)]);
  batch.add((set) => {
    set(S.S_PC, BigInt(I.CODE));
    set(S.S_STATUS, status | MPP[privilege]);
    for (const [register, value] of Object.entries(x)) set(S.S_X5 + Number(register) - 5, value);
    const csrs = { [CSR.stimecmp]: NEVER, ...(leaf === undefined ? {} : { [CSR.satp]: satpOf('sv39', ROOT) }), ...csr };
    for (const [address, value] of Object.entries(csrs)) set(LAYOUT.csrIn(Number(address)), value);
    [[LEAF_ENTRY, leaf ?? 0n] as const, ...memory].forEach(([address, value], slot) => {
      set(LAYOUT.slotAddress(slot), BigInt(address));
      set(LAYOUT.slotValue(slot), value);
    });
    return 'direct';
  });
  const bytes = godwit.run(batch.image());
  const out = new BigUint64Array(bytes.buffer, bytes.byteOffset, LAYOUT.words);
  return {
    cause: out[S.S_CAUSE]!,
    value: out[S.S_TVAL]!,
    pc: out[S.S_PC]!,
    status: out[S.S_STATUS]!,
    x: (register) => out[S.S_X5 + register - 5]!,
    leaf: out[LAYOUT.slotValue(0)]!,
    memory: memory.map((_, i) => out[LAYOUT.slotValue(i + 1)]!),
  };
}
