import type { Random } from '../../src/isa/generate/random.ts';
import { Assembler } from './assembler.ts';
import * as I from './image.ts';
import { PMP_ADDRESSES, PMP_OPEN, PMPCFG0, randomProtection } from './protection.ts';
import type { SetWord } from './system-batch.ts';
import * as S from './system-runner.ts';
import { type Mode, PTE, pte, satpOf } from './tables.ts';

/**
 * Memory that addresses are translated to. Loads and fetches go to the first half: each 8 bytes are an `ecall` and a
 * number of their own. Stores go to the second half, to a word that is a slot of the case.
 */
const TARGET = I.RAM + 0x40_0000;
const TARGET_BYTES = 0x10_0000;
const STORE_TARGET = TARGET + TARGET_BYTES;
/** The slot that holds the word a store goes to. */
export const STORED_SLOT = 5;

const ROOT48 = I.TABLES;
const T2 = I.TABLES + 0x1000;
const T1 = I.TABLES + 0x2000;
const T0 = I.TABLES + 0x3000;
/** In Sv48 the code has a second-level table of its own. */
const CODE2 = I.TABLES + 0x4000;
const TABLE_OF_LEVEL = [T0, T1, T2, ROOT48];

/** RAM's gigapage is the second one for S-mode and, once more, the third for U-mode. */
const USER_ALIAS = 0x4000_0000;

const SATP = 0x180;
const MENVCFG = 0x30a;
const ADUE = 1n << 61n;

export const WALK_LAYOUT = new S.SystemLayout({
  slots: 6,
  clearSlots: true,
  csrsIn: [...PMP_ADDRESSES, PMPCFG0, SATP, MENVCFG],
  csrsOut: [],
  quietCsrs: [
    [SATP, 0n],
    [PMPCFG0, 0x1fn],
    [PMP_ADDRESSES[0]!, PMP_OPEN],
  ],
  quietStores: [],
});

/** How the probed address is used. */
export interface Access {
  readonly name: string;
  readonly kind: 'fetch' | 'load' | 'store';
  readonly width: number;
  readonly atomic: boolean;
  /** Where its code is; for use through MPRV 4 bytes before. */
  readonly address: number;
}

const MNEMONICS: readonly (readonly [name: string, kind: Access['kind'], width: number])[] = [
  ['lb', 'load', 1],
  ['lhu', 'load', 2],
  ['lw', 'load', 4],
  ['ld', 'load', 8],
  ['fld', 'load', 8],
  ['lr.w', 'load', 4],
  ['lr.d', 'load', 8],
  ['sb', 'store', 1],
  ['sh', 'store', 2],
  ['sw', 'store', 4],
  ['sd', 'store', 8],
  ['fsw', 'store', 4],
  ['amoadd.w', 'store', 4],
  ['amoswap.d', 'store', 8],
];

function buildAccesses(): { accesses: Access[]; code: I.Segment } {
  const a = new Assembler(I.CODE);
  const accesses = MNEMONICS.map(([name, kind, width]): Access => {
    const atomic = name.includes('.');
    a.op('csrrw', { rs1: 6, immediate: 0x300 }); // MPRV and MPP
    const { address } = a;
    a.op(name, { rd: 8, rs1: 5, rs2: 7 });
    a.op('ecall');
    return { name, kind, width, atomic, address };
  });
  return { accesses, code: { address: I.CODE, data: a.finish() } };
}

const { accesses: ACCESSES, code: ACCESS_CODE } = buildAccesses();
const FETCH: Access = { name: 'fetch', kind: 'fetch', width: 2, atomic: false, address: 0 };

function targetMemory(): I.Segment {
  const words = new Uint32Array(TARGET_BYTES / 4);
  for (let i = 0; i < words.length; i += 2) {
    words[i] = 0x73;
    words[i + 1] = i;
    // The last halfword of a page is the first half of an instruction that goes on in the next page.
    if ((i + 2) % 1024 === 0) words[i + 1] = (0x73 << 16) | (i >> 10);
  }
  return { address: TARGET, data: new Uint8Array(words.buffer) };
}

function word(address: number, value: bigint): I.Segment {
  return { address, data: new Uint8Array(BigUint64Array.of(value).buffer) };
}

const ALL = PTE.V | PTE.R | PTE.W | PTE.X | PTE.A | PTE.D;

export const WALK_SEGMENTS: readonly I.Segment[] = [
  ACCESS_CODE,
  targetMemory(),
  word(ROOT48, pte(CODE2, PTE.V)),
  ...[T2, CODE2].flatMap((table) => [word(table + 16, pte(I.RAM, ALL)), word(table + 24, pte(I.RAM, ALL | PTE.U))]),
];

/** What a case's check needs to know beside its record. */
export interface WalkCase {
  readonly updates: boolean;
  readonly access: Access;
  /** The virtual address, and the pc of the instruction that uses it. */
  readonly address: bigint;
  readonly pc: bigint;
}

/** What kind of case to make. */
export interface WalkKind {
  readonly mode: Mode | 'bare';
  /** With random PMP entries around what is accessed. */
  readonly protection: boolean;
  /** Whether A and D are set in entries (Svadu), as QEMU 7.2 always does. */
  readonly updates: boolean;
}

interface Probe extends WalkKind {
  readonly privilege: 'S' | 'U';
  readonly access: Access;
  readonly throughMprv: boolean;
}

const once = (random: Random, times: number, bits: bigint): bigint => (random.oneIn(times) ? bits : 0n);

/** Bits 54 to 63, which are reserved without Svnapot and Svpbmt. */
const reserved = (random: Random): bigint => 1n << BigInt(random.between(54, 63));

function leafFlags(random: Random): bigint {
  let flags = PTE.V | PTE.R | PTE.W | PTE.X | PTE.A | PTE.D;
  if (random.oneIn(2)) flags = (BigInt(random.word()) & 0x3ffn) | PTE.A | PTE.D | PTE.V;
  flags ^= once(random, 2, PTE.U) | once(random, 6, PTE.R) | once(random, 6, PTE.W) | once(random, 6, PTE.X);
  flags ^= once(random, 8, PTE.A) | once(random, 5, PTE.D) | once(random, 24, PTE.V) | once(random, 4, PTE.G);
  return flags | once(random, 40, reserved(random));
}

function pointer(random: Random, table: number): bigint {
  const at = random.oneIn(40) ? 0x9000_0000 : table;
  const wrong = once(random, 40, PTE.V) | once(random, 30, random.pick([PTE.A, PTE.D, PTE.U, PTE.R, PTE.X, PTE.W]));
  const allowed = once(random, 8, PTE.G) | once(random, 8, 1n << 8n) | once(random, 8, 1n << 9n);
  return pte(at, (PTE.V ^ wrong) | allowed) | once(random, 50, reserved(random));
}

/** Physical places: RAM that says where it is, the end of RAM, nothing at all. */
function randomTarget(random: Random, { kind }: Access): bigint {
  const start = kind === 'store' ? STORE_TARGET : TARGET;
  if (!random.oneIn(10)) return BigInt(start + random.below(TARGET_BYTES / 8) * 8);
  return random.pick([0x9000_0000n, BigInt(I.RAM_END), 0xffff_f000n, 0x1_8040_0000n, 1n << 40n, 1n << 55n]);
}

/** Where in its page, or across its end, an access of this width goes. */
function withOffset(random: Random, target: bigint, { access: { kind, width, atomic }, protection }: Probe): bigint {
  const pageEnd = target | 4095n;
  if (kind === 'fetch') return random.oneIn(10) ? pageEnd - 1n : target & ~7n;
  if (atomic) return target & ~7n;
  // QEMU reads whole aligned words where an access crosses pages, and asks the PMP about bytes that are not accessed.
  if (protection) return (target & ~7n) + (random.oneIn(4) ? BigInt(random.below(9 - width)) : 0n);
  if (random.oneIn(8)) return pageEnd + 1n - BigInt(random.below(width));
  return random.oneIn(8) ? target + BigInt(random.below(8)) : target & ~7n;
}

/** The address to use, with what leads from it to a random target. */
function buildMapping(random: Random, probe: Probe, set: SetWord): { address: bigint; target: bigint } {
  const top = probe.mode === 'sv48' ? 3 : 2;
  const leafLevel = random.oneIn(2) ? 0 : random.below(top + 1);
  const target = withOffset(random, randomTarget(random, probe.access), probe);
  if (target >= BigInt(STORE_TARGET) && target < BigInt(STORE_TARGET + TARGET_BYTES)) {
    set(WALK_LAYOUT.slotAddress(STORED_SLOT), target & ~7n);
    set(WALK_LAYOUT.slotValue(STORED_SLOT), random.long());
  }
  if (probe.mode === 'bare') return { address: target, target };
  return { address: buildEntries(random, top, leafLevel, target, set), target };
}

/** The page-table entries from the root to a leaf. Returns the virtual address. */
function buildEntries(random: Random, top: number, leafLevel: number, target: bigint, set: SetWord): bigint {
  const pageMask = (1n << BigInt(12 + 9 * leafLevel)) - 1n;
  let address = target & pageMask;
  for (let level = leafLevel; level <= top; level++) {
    let index = random.oneIn(4) ? random.pick([4, 255, 256, 511]) : random.between(4, 511);
    if (level === 0 && index === 511) index = 510; // the next page is in the same table
    address |= BigInt(index) << BigInt(12 + 9 * level);
    const table = TABLE_OF_LEVEL[level]!;
    let value = pointer(random, TABLE_OF_LEVEL[level - 1] ?? T0);
    if (level === leafLevel && !random.oneIn(40)) {
      const misaligned = leafLevel > 0 && random.oneIn(8) ? BigInt(random.word()) & (pageMask >> 12n) : 0n;
      value = pte((target & ~pageMask) | (misaligned << 12n), leafFlags(random));
    }
    set(WALK_LAYOUT.slotAddress(level), BigInt(table + 8 * index));
    set(WALK_LAYOUT.slotValue(level), value);
    if (level === 0) addNextPage(random, target, BigInt(table + 8 * index + 8), set);
  }
  const width = 12 + 9 * (top + 1);
  address = BigInt.asUintN(64, BigInt.asIntN(width, address));
  return random.oneIn(25) ? address ^ (1n << BigInt(random.between(width - 1, 63))) : address;
}

/** For accesses across the end of a page: only one of the two is in doubt, since which is looked at first is free. */
function addNextPage(random: Random, target: bigint, at: bigint, set: SetWord): void {
  set(WALK_LAYOUT.slotAddress(4), at);
  const crossing = (target & 4095n) >= 4089n;
  const physical = (target & ~4095n) + 0x1000n;
  if (!crossing || random.oneIn(2)) {
    set(WALK_LAYOUT.slotValue(4), pte(physical, ALL | PTE.U));
    return;
  }
  set(WALK_LAYOUT.slotValue(4), pte(physical, leafFlags(random)));
}

const MPP = { U: 0n, S: 1n << 11n, M: 3n << 11n } as const;
const FS = 1n << 13n;
const MPRV = 1n << 17n;
const SUM = 1n << 18n;
const MXR = 1n << 19n;

/** Fills a record with one probe of one mapping. */
export function addWalk(random: Random, kind: WalkKind, set: SetWord): WalkCase {
  const privilege = random.pick(['S', 'U'] as const);
  const access = random.oneIn(4) ? FETCH : random.pick(ACCESSES);
  const throughMprv = access.kind !== 'fetch' && random.oneIn(2);
  const { address, target } = buildMapping(random, { ...kind, privilege, access, throughMprv }, set);
  const bits = FS | once(random, 2, SUM) | once(random, 2, MXR);
  const alias = kind.mode !== 'bare' && privilege === 'U' && !throughMprv ? USER_ALIAS : 0;
  const pc = access.kind === 'fetch' ? address : BigInt(access.address + alias);
  set(S.S_PC, throughMprv ? pc - 4n : pc);
  set(S.S_STATUS, bits | (throughMprv ? MPP.M : MPP[privilege]));
  set(S.S_X5, address);
  set(S.S_X5 + 1, bits | MPRV | MPP[privilege]);
  set(S.S_X5 + 2, random.long());
  set(S.S_X5 + 3, random.long());
  set(WALK_LAYOUT.csrIn(SATP), satpFor(random, kind.mode));
  const protection = kind.protection ? randomProtection(random, target) : [{ config: 0x1f, address: PMP_OPEN }];
  protection.forEach((entry, i) => {
    set(WALK_LAYOUT.csrIn(PMP_ADDRESSES[i]!), entry.address);
  });
  const config = protection.reduce((all, entry, i) => all | (BigInt(entry.config) << BigInt(8 * i)), 0n);
  set(WALK_LAYOUT.csrIn(PMPCFG0), config);
  set(WALK_LAYOUT.csrIn(MENVCFG), kind.updates ? ADUE : 0n);
  return { updates: kind.updates, access, address, pc };
}

function satpFor(random: Random, mode: Mode | 'bare'): bigint {
  if (mode === 'bare') return 0n;
  return satpOf(mode, mode === 'sv39' ? T2 : ROOT48, BigInt(random.below(4)));
}
