import type { Random } from '../../src/isa/generate/random.ts';
import { Assembler } from './assembler.ts';
import * as I from './image.ts';
import type { SetWord } from './system-batch.ts';
import * as S from './system-runner.ts';

const CSR = {
  sstatus: 0x100,
  sie: 0x104,
  stvec: 0x105,
  scounteren: 0x106,
  senvcfg: 0x10a,
  sscratch: 0x140,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  sip: 0x144,
  stimecmp: 0x14d,
  satp: 0x180,
  mstatus: 0x300,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mepc: 0x341,
  mip: 0x344,
} as const;

const MSIP_REGISTER = I.CLINT;
const MTIMECMP = I.CLINT + 0x4000;
const NEVER = -1n;

export const TRAP_LAYOUT = new S.SystemLayout({
  slots: 1,
  clearSlots: false,
  csrsIn: [
    ...[CSR.medeleg, CSR.mideleg, CSR.menvcfg, CSR.stimecmp, CSR.mip, CSR.mie],
    ...[CSR.stvec, CSR.mtvec, CSR.mcounteren, CSR.scounteren, CSR.sepc],
  ],
  csrsOut: [
    ...[CSR.scause, CSR.sepc, CSR.stval, CSR.sstatus, CSR.mip, CSR.sip],
    ...[CSR.mie, CSR.sie, CSR.mideleg, CSR.medeleg, CSR.satp],
  ],
  quietCsrs: [
    [CSR.mie, 0n],
    [CSR.stimecmp, NEVER],
    [CSR.menvcfg, 0n],
    [CSR.mideleg, 0n],
    [CSR.medeleg, 0n],
    [CSR.mip, 0n],
    [CSR.satp, 0n],
    [CSR.scause, 0n],
    [CSR.stval, 0n],
  ],
  quietStores: [
    { address: MSIP_REGISTER, width: 4, value: 0n },
    { address: MTIMECMP, width: 8, value: NEVER },
  ],
});

/**
 * Registers of the snippets: x6 has a value for a CSR, x7 and sepc a landing, x10 the scratch memory, x11 nothing's
 * address.
 */
const VALUE = 6;
const LANDING = 7;
const MSIP = 8;
const SCRATCH = 10;
const HOLE = 11;
const ODD = 12;

export interface Snippet {
  readonly name: string;
  readonly address: number;
  /** Makes sense only where a software interrupt of M-mode will be taken. */
  readonly needsMsip?: boolean;
  /** Waits: some interrupt has to be pending. */
  readonly waits?: boolean;
}

const READ_CSRS = [
  0x001, 0x003, 0xc00, 0xc01, 0xc02, 0xc03, 0x100, 0x104, 0x105, 0x106, 0x10a, 0x140, 0x141, 0x142, 0x144, 0x14d, 0x180,
];
const READ_MACHINE = [
  0x300, 0x301, 0x302, 0x303, 0x304, 0x305, 0x306, 0x30a, 0x340, 0x341, 0x344, 0x3a0, 0x3b0, 0xb00, 0xb02, 0xf11, 0xf14,
];
const WRITTEN = [CSR.mie, CSR.mip, CSR.sie, CSR.sip, CSR.mideleg, CSR.sstatus] as const;

type Body = (a: Assembler) => void;

function bodies(): Record<string, Body> {
  const all: Record<string, Body> = {
    ecall: () => {},
    ebreak: (a) => a.op('ebreak'),
    'c.ebreak': (a) => a.bits(0x9002),
    zeros: (a) => a.bits(0),
    ones: (a) => a.bits(0xffff_ffff),
    'reserved jalr': (a) => a.bits(0x0000_1067),
    'load nothing': (a) => a.op('ld', { rd: 5, rs1: HOLE }),
    'store nothing': (a) => a.op('sw', { rs1: HOLE, rs2: 5 }),
    'fetch nothing': (a) => a.op('jalr', { rd: 0, rs1: HOLE }),
    'lr misaligned': (a) => a.op('lr.w', { rd: 5, rs1: ODD }),
    'amo misaligned': (a) => a.op('amoadd.d', { rd: 5, rs1: ODD, rs2: 6 }),
    'load misaligned': (a) => a.op('lw', { rd: 5, rs1: ODD }),
    'fadd.s': (a) => a.op('fadd.s', { rd: 1, rs1: 2, rs2: 3 }),
    fsd: (a) => a.op('fsd', { rs1: SCRATCH, rs2: 2 }),
    'csrw fcsr': (a) => a.csrw(3, 0),
    'sfence.vma': (a) => a.op('sfence.vma', { rs1: 5, rs2: 6 }),
    'sinval.vma': (a) => a.op('sinval.vma'),
    'sfence.w.inval': (a) => a.op('sfence.w.inval'),
    'csrw satp': (a) => a.csrw(CSR.satp, 0),
    sret: (a) => a.op('sret'),
    mret: (a) => {
      a.csrw(CSR.mepc, LANDING);
      a.op('mret');
    },
    'mret after mstatus': (a) => {
      a.csrw(CSR.mepc, LANDING);
      a.csrw(CSR.mstatus, VALUE);
      a.op('mret');
    },
    'sret after sstatus': (a) => {
      a.csrw(CSR.sstatus, VALUE);
      a.op('sret');
    },
    'mret at once': (a) => {
      // Below M it is illegal; in M-mode mepc would lead back to here.
      a.csrr(5, CSR.mepc);
      a.op('mret');
    },
    'set MIE': (a) => a.op('csrrsi', { rs1: 8, immediate: CSR.mstatus }),
    'set SIE': (a) => a.op('csrrsi', { rs1: 2, immediate: CSR.sstatus }),
  };
  for (const csr of WRITTEN) all[`csrw ${csr.toString(16)}`] = (a) => a.csrw(csr, VALUE);
  for (const csr of READ_CSRS) all[`read ${csr.toString(16)}`] = (a) => a.csrr(0, csr);
  for (const csr of READ_MACHINE) all[`read ${csr.toString(16)}`] = (a) => a.csrr(0, csr);
  for (const csr of [0xc00, 0xc01, 0xf14]) all[`write ${csr.toString(16)}`] = (a) => a.csrw(csr, 0);
  for (const csr of [CSR.stimecmp, CSR.senvcfg, CSR.menvcfg]) {
    all[`touch ${csr.toString(16)}`] = (a) => a.op('csrrs', { rd: 0, rs1: 0, immediate: csr });
  }
  return all;
}

interface Built {
  readonly snippets: readonly Snippet[];
  readonly landing: number;
  readonly code: I.Segment;
}

function build(): Built {
  const a = new Assembler(I.CODE);
  const snippets: Snippet[] = [];
  const add = (name: string, body: Body, options: Partial<Snippet> = {}): void => {
    snippets.push({ name, address: a.address, ...options });
    body(a);
    a.op('ecall');
    if (a.address % 4 !== 0) a.bits(0x0001);
  };
  for (const [name, body] of Object.entries(bodies())) add(name, body);
  add('wfi', (b) => b.op('wfi'), { waits: true });
  const spin: Body = (b) => {
    b.li(9, 1n);
    b.op('sw', { rs1: MSIP, rs2: 9 });
    const here = b.label();
    b.place(here);
    b.to(here, 'jal');
  };
  add('msip', spin, { needsMsip: true });
  const landing = a.address;
  a.op('ecall');
  return { snippets, landing, code: { address: I.CODE, data: a.finish() } };
}

const { snippets: SNIPPETS, landing: LANDING_ADDRESS, code: CODE } = build();
export const TRAP_SEGMENTS: readonly I.Segment[] = [CODE];

const bit = (number: number): bigint => 1n << BigInt(number);
const MIP = { ssip: bit(1), msip: bit(3), stip: bit(5), mtip: bit(7), seip: bit(9), meip: bit(11) } as const;
const SUPERVISOR_INTERRUPTS = MIP.ssip | MIP.stip | MIP.seip;
const ALL_INTERRUPTS = SUPERVISOR_INTERRUPTS | MIP.msip | MIP.mtip | MIP.meip;
/** Exceptions 0 to 9, 12, 13, 15. */
const DELEGABLE = 0xb3ffn;
const STCE = bit(63);
const STATUS = {
  SIE: bit(1),
  SPIE: bit(5),
  MPIE: bit(7),
  SPP: bit(8),
  FS: 3n << 13n,
  MPRV: bit(17),
  SUM: bit(18),
  MXR: bit(19),
} as const;
const TRAPS = { TVM: bit(20), TW: bit(21), TSR: bit(22) } as const;
const MPP = { U: 0n, S: 1n << 11n, M: 3n << 11n } as const;

const some = (random: Random, bits: bigint): bigint => random.long() & bits;

/** Handlers in S-mode leave by an exception that is not delegated. */
function supervisorVector(random: Random, medeleg: bigint): number | undefined {
  const causes = { illegal: 2, ecall: 9, ebreak: 3 } as const;
  const usable = (['illegal', 'ecall', 'ebreak'] as const).filter((kind) => (medeleg & bit(causes[kind])) === 0n);
  return usable.length === 0 ? undefined : S.S_VECTORS[random.pick(usable)];
}

function randomStatus(random: Random): bigint {
  const bits = Object.values(STATUS).reduce((all, one) => all | one, 0n);
  const traps = random.oneIn(2) ? some(random, TRAPS.TVM | TRAPS.TW | TRAPS.TSR) : 0n;
  return some(random, bits) | traps;
}

/** Fills a record with one way into a trap. */
export function addTrap(random: Random, set: SetWord): string {
  const snippet = random.pick(SNIPPETS);
  // QEMU 7.2 lets it pass in U-mode, where it is illegal (privileged 13, Svinval); rules.test.ts asks that.
  const privilege = random.pick(snippet.name === 'sfence.w.inval' ? (['M', 'S'] as const) : (['M', 'S', 'U'] as const));
  const medeleg = delegation(random, snippet);
  const vector = supervisorVector(random, medeleg);
  if (vector === undefined) return addTrap(random, set);
  const { layout, csr } = {
    layout: TRAP_LAYOUT,
    csr: (address: number, value: bigint) => set(TRAP_LAYOUT.csrIn(address), value),
  };
  let status = randomStatus(random) | MPP[privilege];
  let mie = random.oneIn(3) ? 0n : some(random, ALL_INTERRUPTS);
  let mip = random.oneIn(2) ? 0n : some(random, SUPERVISOR_INTERRUPTS);
  if (snippet.needsMsip) {
    mie |= MIP.msip;
    status |= STATUS.MPIE;
  }
  if (snippet.waits) {
    mie |= MIP.ssip;
    mip |= MIP.ssip;
  }
  const stce = random.oneIn(3);
  csr(CSR.medeleg, medeleg);
  csr(CSR.mideleg, some(random, SUPERVISOR_INTERRUPTS));
  csr(CSR.menvcfg, stce ? STCE : 0n);
  csr(CSR.stimecmp, stce && random.oneIn(2) ? 0n : NEVER);
  csr(CSR.mip, mip);
  csr(CSR.mie, mie);
  csr(CSR.stvec, BigInt(vector + random.below(2)));
  csr(CSR.mtvec, BigInt(S.M_VECTOR + random.below(2)));
  csr(CSR.mcounteren, some(random, 15n));
  csr(CSR.scounteren, some(random, 15n));
  csr(CSR.sepc, BigInt(LANDING_ADDRESS));
  if (random.oneIn(4)) {
    set(layout.slotAddress(0), BigInt(MTIMECMP));
    set(layout.slotValue(0), random.oneIn(4) ? NEVER : 0n);
  }
  set(S.S_PC, BigInt(snippet.address));
  set(S.S_STATUS, status);
  setRegisters(random, snippet, set);
  return `${snippet.name} in ${privilege}`;
}

/** An AMO's misalignment is a load's to QEMU (trap-check.ts): then both are delegated or none. */
function delegation(random: Random, { name }: Snippet): bigint {
  const medeleg = random.oneIn(4) ? 0n : some(random, DELEGABLE);
  if (!name.startsWith('amo')) return medeleg;
  return medeleg & bit(4) ? medeleg | bit(6) : medeleg & ~bit(6);
}

function setRegisters(random: Random, { name }: Snippet, set: SetWord): void {
  const x = (register: number, value: bigint) => set(S.S_X5 + register - 5, value);
  x(5, random.long());
  // Bits of mstatus below 23 (MPP 2 is no mode), or interrupts: what else is writable in mip and mie, the CSR tests
  // ask.
  const status = some(random, 0x7f_ffffn) & ~(1n << 12n);
  const mpp = random.oneIn(3) ? MPP.M : 0n;
  x(
    VALUE,
    name.includes('status') || name === `csrw ${CSR.sstatus.toString(16)}`
      ? status | mpp
      : some(random, ALL_INTERRUPTS),
  );
  x(LANDING, BigInt(LANDING_ADDRESS));
  x(MSIP, BigInt(MSIP_REGISTER));
  x(9, random.long());
  x(SCRATCH, BigInt(I.SCRATCH + 64));
  x(HOLE, 0x9000_0000n);
  x(ODD, BigInt(I.SCRATCH + 65));
}
