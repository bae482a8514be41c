import { type I64, i64 } from '../../execute/wasm/index.ts';
import * as C from '../../hart/constants.ts';
import * as L from '../../hart/layout.ts';
import type { Emitter } from '../emitter.ts';
import { type Instruction, row } from '../instruction.ts';

type Combine = (old: I64, source: I64) => I64;

/**
 * rd = CSR; CSR = combine(CSR, source). `csrrs` and `csrrc` with a zero source field do not write (unprivileged spec
 * 6.1).
 */
function csr(name: string, funct3: string, useImmediate: boolean, always: boolean, combine: Combine): Instruction {
  const syntax = useImmediate ? 'rd,csr,uimm' : 'rd,csr,rs1';
  const pattern = `csr ${useImmediate ? 'uimm5' : 'rs1'} ${funct3} rd 1110011`;
  return row(name, pattern, { extension: 'Zicsr', syntax, flow: 'system' }, (e) =>
    e.csr({ always, source: () => (useImmediate ? e.rs1Field().extendU() : e.x('rs1')), combine }),
  );
}

function csrs(): Instruction[] {
  const kinds: [string, string, boolean, Combine][] = [
    ['csrrw', '01', true, (_, source) => source],
    ['csrrs', '10', false, (old, source) => old.or(source)],
    ['csrrc', '11', false, (old, source) => old.and(source.not())],
  ];
  return kinds.flatMap(([name, low, always, combine]) => [
    csr(name, `0${low}`, false, always, combine),
    csr(`${name}i`, `1${low}`, true, always, combine),
  ]);
}

/** Illegal below S, and in S under mstatus.TVM. */
function requireMemoryManagement(e: Emitter): void {
  const privilege = e.f.let(e.hart.load(L.PRIVILEGE));
  const trapped = e.hart.load64(L.MSTATUS).and(C.MSTATUS_TVM).ne(0);
  e.illegalIf(privilege.eqz().or(privilege.eq(C.Privilege.S).and(trapped)));
}

function fenceVma(name: string, funct7: string, extension: 'System' | 'Svinval'): Instruction {
  return row(name, `${funct7} rs2 rs1 000 00000 1110011`, { extension, syntax: 'rs1,rs2', flow: 'system' }, (e) => {
    requireMemoryManagement(e);
    const given = e.rs1Given().ne(0).or(e.rs2Given().ne(0).shl(1));
    e.f.do(e.library.tlb.fence, e.hart, e.x('rs1'), e.x('rs2'), given);
    e.settle();
  });
}

function trapReturn(name: string, pattern: string, which: 'mret' | 'sret'): Instruction {
  return row(name, pattern, { extension: 'System', syntax: 'none', flow: 'system' }, (e) => {
    e.illegalIf(e.f.call(e.library.trap[which], e.hart).eqz());
    e.resume();
  });
}

/** Ordering around sinval.vma; nothing is ever out of order here. */
function invalidateFence(name: string, pattern: string): Instruction {
  return row(name, pattern, { extension: 'Svinval', syntax: 'none' }, (e) => {
    e.illegalIf(e.hart.load(L.PRIVILEGE).eqz());
  });
}

/**
 * Whether a cache-block instruction is enabled by menvcfg and senvcfg (Zicbom 2.5.3): `field` at `shift` is 0 when it
 * is not.
 */
function requireEnvironment(e: Emitter, mask: bigint): void {
  const privilege = e.f.let(e.hart.load(L.PRIVILEGE));
  const machine = e.hart.load64(L.MENVCFG).and(mask).eqz().and(privilege.ltU(C.Privilege.M));
  const supervisor = e.hart.load64(L.SENVCFG).and(mask).eqz().and(privilege.eqz());
  e.illegalIf(machine.or(supervisor));
}

const BLOCK_BYTES = 64;

/** Caches are not modelled: the block must only be accessible. Access is checked like a load, faults are a store's. */
function cacheBlock(name: string, number: string, mask: bigint): Instruction {
  const options = { extension: 'Zicbom', syntax: '(rs1)', flow: 'system' } as const;
  return row(name, `${number} rs1 010 00000 0001111`, options, (e) => {
    requireEnvironment(e, mask);
    const { f } = e;
    const block = f.let(e.x('rs1').and(BigInt(-BLOCK_BYTES)));
    f.do(e.library.access.probe, e.hart, block, e.x('rs1'));
    f.if(e.hart.load(L.TRAP_PENDING), () => e.raisePending());
  });
}

/** Zicsr, Zifencei, privileged instructions (3.3, 12.2), Svinval, Zicbom, Zicboz. */
export const SYSTEM: readonly Instruction[] = [
  ...csrs(),
  // Translated and decoded code follows every store at once, so there is nothing to do but end a block of code.
  row('fence.i', 'imm12 rs1 001 rd 0001111', { extension: 'Zifencei', syntax: 'none', flow: 'system' }, () => {}),
  trapReturn('mret', '00110000001000000000000001110011', 'mret'),
  trapReturn('sret', '00010000001000000000000001110011', 'sret'),
  row('wfi', '00010000010100000000000001110011', { extension: 'System', syntax: 'none', flow: 'system' }, (e) => {
    const outcome = e.f.let(e.f.call(e.library.trap.wfi, e.hart));
    e.illegalIf(outcome.eq(2));
    e.f.if(outcome, () => e.wait());
  }),
  fenceVma('sfence.vma', '0001001', 'System'),
  fenceVma('sinval.vma', '0001011', 'Svinval'),
  invalidateFence('sfence.w.inval', '00011000000000000000000001110011'),
  invalidateFence('sfence.inval.ir', '00011000000100000000000001110011'),
  cacheBlock('cbo.inval', '000000000000', C.ENVCFG_CBIE),
  cacheBlock('cbo.clean', '000000000001', C.ENVCFG_CBCFE),
  cacheBlock('cbo.flush', '000000000010', C.ENVCFG_CBCFE),
  row(
    'cbo.zero',
    '000000000100 rs1 010 00000 0001111',
    { extension: 'Zicboz', syntax: '(rs1)', flow: 'system' },
    (e) => {
      requireEnvironment(e, C.ENVCFG_CBZE);
      const block = e.f.let(e.x('rs1').and(BigInt(-BLOCK_BYTES)));
      for (let offset = 0; offset < BLOCK_BYTES; offset += 8) e.store(block.add(offset), 8, i64(0));
    },
  ),
];
