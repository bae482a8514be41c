import { Cause, Exit, MSTATUS_FS, Privilege } from '../../hart/constants.ts';
import { CsrEffect } from '../../hart/csr.ts';
import {
  besideSlot,
  SLOT_A,
  SLOT_B,
  SLOT_BYTES,
  SLOT_C,
  SLOT_D,
  SLOT_IMMEDIATE,
  SLOT_ROUNDING,
  SLOTS_BYTES,
  SLOTS_HEAT,
  SLOTS_TARGET,
  TARGET_ELSEWHERE,
  TARGET_IN_PAGE,
} from '../../hart/decoded-slots.ts';
import * as L from '../../hart/layout.ts';
import type { HartLibrary } from '../../hart/library/index.ts';
import { dataEntry } from '../../hart/library/tlb.ts';
import type { CsrAccess, Emitter, FloatSource, FloatUnit, Source, Width } from '../../isa/emitter.ts';
import {
  choose,
  type FunctionBuilder,
  type I32,
  type I64,
  i32,
  i64,
  type Label,
  type Local,
  select,
} from '../wasm/index.ts';
import { FloatCalls } from './float-calls.ts';
import type { Handler } from './handlers.ts';

const FS = Number(MSTATUS_FS);
const BOX = -0x1_0000_0000n;
const CANONICAL_NAN = 0x7fc0_0000;
const DYNAMIC = 7;
const HALFWORD_SLOTS = SLOT_BYTES / 2;

/** What the interpreter loop keeps in locals, and where its handlers can go. */
export interface Loop {
  readonly hart: Local<'i32'>;
  readonly library: HartLibrary;
  /** The slot that runs, the start of its decoded page, the virtual address of that page. */
  readonly slot: Local<'i32'>;
  readonly page: Local<'i32'>;
  readonly pageAddress: Local<'i64'>;
  /** Instructions retired, the one that runs included. */
  readonly retired: Local<'i64'>;
  /** Where `jump` and `counted` go. */
  readonly target: Local<'i64'>;
  readonly exitReason: Local<'i32'>;
  readonly labels: {
    /** Run the slot. */
    readonly dispatch: Label;
    /** Find the page of `target` and go on there; `counted` counts a transfer first. */
    readonly jump: Label;
    readonly counted: Label;
    /** BRANCHES reached STOP_BRANCHES; PC is set. */
    readonly event: Label;
    /** An exception was raised; PC is set. */
    readonly trap: Label;
    /** Return `exitReason`; PC is set. */
    readonly exit: Label;
  };
}

/** Control came to the slot by a transfer: counts, and reports places that become hot. */
export function noteHeat(f: FunctionBuilder, loop: Omit<Loop, 'labels'>, slot: I32): void {
  const page = loop.page.get;
  const at = f.let(besideSlot(page, slot));
  const heat = f.let(at.load16U(SLOTS_HEAT).add(1).and(0xffff));
  f.store16(at, heat, SLOTS_HEAT);
  const { hart, library, pageAddress } = loop;
  f.if(heat.eq(hart.get.load(L.HOT_THRESHOLD)), () => f.do(library.host.hot, hart.get, page, slot, pageAddress.get));
}

/** Operands come from the slot, registers from the hart's memory. */
export class SlotEmitter implements Emitter {
  readonly f: FunctionBuilder;
  readonly hart: I32;
  readonly library: HartLibrary;
  readonly float: FloatUnit;
  private readonly loop: Loop;
  private readonly handler: Handler;
  private readonly slot: I32;
  private readonly hasRd: boolean;

  constructor(f: FunctionBuilder, loop: Loop, handler: Handler) {
    this.f = f;
    this.loop = loop;
    this.hart = loop.hart.get;
    this.library = loop.library;
    this.float = new FloatCalls(f, this.hart, loop.library.float);
    this.slot = loop.slot.get;
    this.handler = handler;
    this.hasRd = handler.instruction.encoding.fields.has('rd');
  }

  private register(source: FloatSource): I32 {
    const field = source === 'rs1' ? SLOT_B : source === 'rs3' ? SLOT_D : this.hasRd ? SLOT_C : SLOT_A;
    return this.hart.add(this.slot.load8U(field));
  }

  private destination(): I32 {
    return this.hart.add(this.slot.load8U(SLOT_A));
  }

  x(source: Source): I64 {
    return this.register(source).load64(L.X_REGISTERS);
  }

  setX(value: I64): void {
    this.f.store(this.destination(), value, L.X_REGISTERS);
    // Instructions that only write rd are not run when it is x0; the others may have written x0 just now.
    if (!this.handler.instruction.pure) this.f.store(this.hart, i64(0), L.X_REGISTERS);
  }

  rawFloat(source: FloatSource): I64 {
    return this.register(source).load64(L.F_REGISTERS);
  }

  d(source: FloatSource): I64 {
    return this.rawFloat(source);
  }

  s(source: FloatSource): I32 {
    const { f } = this;
    const whole = f.let(this.rawFloat(source));
    return select(whole.geU(BOX), whole.wrap(), i32(CANONICAL_NAN));
  }

  setD(bits: I64): void {
    this.f.store(this.destination(), bits, L.F_REGISTERS);
  }

  setS(bits: I32): void {
    this.setD(bits.extendU().or(BOX));
  }

  immediate(): I64 {
    return this.immediate32().extendS();
  }

  immediate32(): I32 {
    return this.slot.load(SLOT_IMMEDIATE);
  }

  rs1Field(): I32 {
    return this.slot.load8U(SLOT_B);
  }

  rs1Given(): I32 {
    return this.slot.load8U(SLOT_B);
  }

  rs2Given(): I32 {
    return this.slot.load8U(this.hasRd ? SLOT_C : SLOT_A);
  }

  private addressOf(slot: I32): I64 {
    return this.loop.pageAddress.get.add(slot.sub(this.loop.page.get).shrU(2).extendU());
  }

  pc(): I64 {
    return this.addressOf(this.slot);
  }

  nextPc(): I64 {
    return this.pc().add(this.handler.length);
  }

  requireFloat(): void {
    const status = this.hart.load(L.MSTATUS);
    this.illegalIf(status.and(FS).eqz());
    // Dirty, whatever the instruction writes; being conservative is allowed (3.1.6.6).
    this.f.store(this.hart, this.hart.load(L.MSTATUS).or(FS), L.MSTATUS);
  }

  roundingMode(): I32 {
    const mode = this.f.let(this.slot.load8U(SLOT_ROUNDING));
    const effective = this.f.let(choose(mode.eq(DYNAMIC), this.hart.load(L.FRM), mode));
    this.illegalIf(effective.gtU(4));
    return effective;
  }

  /** `hit` where the TLB allows it, with the host address; else `miss`. */
  private access(address: I64, width: Width, tagOffset: number): { hit: I32; host: I32 } {
    const { f } = this;
    const entry = f.let(dataEntry(this.hart, address));
    const lastByte = width === 1 ? address : address.add(width - 1);
    const tag = lastByte.and(-4096n).or(this.hart.load64(L.DATA_CONTEXT));
    const hit = entry.load64(L.DATA_TLB + tagOffset).eq(tag);
    return { hit, host: address.wrap().add(entry.load(L.DATA_TLB + L.TLB_ADDEND)) };
  }

  load(from: I64, width: Width, signed: boolean): I64 {
    const { f, library } = this;
    const address = f.let(from);
    const { hit, host } = this.access(address, width, L.TLB_READ_TAG);
    const value = f.temporary('i64');
    f.if(
      hit,
      () => f.set(value, host.load64Of(width, signed)),
      () => {
        const raw = f.call(library.access.load, this.hart, address, i32(width));
        const narrow = { 1: () => raw.extend8S(), 2: () => raw.extend16S(), 4: () => raw.extend32S(), 8: () => raw };
        f.set(value, signed ? narrow[width]() : raw);
        f.if(this.hart.load(L.TRAP_PENDING), () => this.raisePending());
      },
    );
    return value.get;
  }

  store(to: I64, width: Width, value: I64): void {
    const { f, library } = this;
    const address = f.let(to);
    const { hit, host } = this.access(address, width, L.TLB_WRITE_TAG);
    f.if(
      hit,
      () => f.store64Of(width, host, value),
      () => {
        f.if(f.call(library.access.store, this.hart, address, value, i32(width)), () => this.raisePending());
      },
    );
  }

  atomic(address: I64, width: 4 | 8, access: 1 | 2): I32 {
    const { f, library } = this;
    const host = f.let(f.call(library.access.atomic, this.hart, address, i32(width), i32(access)));
    f.if(host.eqz(), () => this.raisePending());
    return host;
  }

  physicalAddress(address: I64, width: 4 | 8, access: 1 | 2): I64 {
    return this.f.call(this.library.access.physicalOf, this.hart, address, i32(width), i32(access));
  }

  branch(condition: I32): void {
    this.f.if(condition, () => this.jump());
  }

  jump(): void {
    const { f, loop } = this;
    const { direction } = this.handler;
    if (direction !== 'far') {
      const next = f.let(this.slot.add(this.immediate32().mul(HALFWORD_SLOTS)));
      f.if(next.sub(loop.page.get).ltU(SLOTS_BYTES), () => {
        f.set(loop.slot, next);
        if (direction === 'backward') this.count();
        f.branch(loop.labels.dispatch);
      });
    }
    f.set(loop.target, this.pc().add(this.immediate()));
    if (direction === 'forward') f.branch(loop.labels.jump);
    if (direction === 'backward') f.branch(loop.labels.counted);
    f.branchIf(loop.labels.counted, this.immediate32().leS(0));
    f.branch(loop.labels.jump);
  }

  /** Counts the transfer to the slot and looks up when it is time. */
  private count(): void {
    const { f, loop, hart } = this;
    const branches = f.let(hart.load64(L.BRANCHES).add(1));
    f.store(hart, branches, L.BRANCHES);
    noteHeat(f, loop, loop.slot.get);
    f.if(branches.geU(hart.load64(L.STOP_BRANCHES)), () => {
      f.store(hart, this.pc(), L.PC);
      f.store(hart, i64(0), L.STOPPED_IN_REGION);
      f.branch(loop.labels.event);
    });
  }

  jumpIndirect(target: I64): void {
    this.f.set(this.loop.target, target.and(~1n));
    this.noteTarget();
    this.f.branch(this.loop.labels.counted);
  }

  private noteTarget(): void {
    const { target, page, pageAddress, slot } = this.loop;
    const isInPage = target.get.xor(pageAddress.get).shrU(12).eqz();
    const inPage = target.get.wrap().and(0xffe).or(TARGET_IN_PAGE);
    this.f.store16(besideSlot(page.get, slot.get), select(isInPage, inPage, i32(TARGET_ELSEWHERE)), SLOTS_TARGET);
  }

  raise(cause: number, value: I64): void {
    this.f.do(this.library.trap.raise, this.hart, i32(cause), value);
    this.raisePending();
  }

  raisePending(): void {
    this.f.store(this.hart, this.pc(), L.PC);
    this.f.branch(this.loop.labels.trap);
  }

  illegal(): void {
    this.raise(
      Cause.illegalInstruction,
      this.f.call(this.library.access.instructionBits, this.hart, this.loop.page.get, this.slot),
    );
  }

  illegalIf(condition: I32): void {
    this.f.if(condition, () => this.illegal());
  }

  csr({ always, source, combine }: CsrAccess): void {
    const { f, hart, library } = this;
    const address = f.let(this.immediate32());
    const writes = f.let(always ? i32(1) : this.rs1Given());
    // Counters are read from the hart; this instruction is not retired yet.
    f.store(hart, this.loop.retired.get.sub(1), L.INSTRET);
    const old = f.let(f.call(library.csr.csrRead, hart, address, writes));
    this.illegalIf(hart.load(L.TRAP_PENDING));
    const effect = f.temporary('i32');
    f.set(effect, i32(CsrEffect.none));
    f.if(writes, () => f.set(effect, f.call(library.csr.csrWrite, hart, address, combine(old, source()))));
    this.setX(old);
    f.if(effect.get.ne(CsrEffect.none), () => this.settle());
  }

  settle(): void {
    const { f, loop } = this;
    f.store(this.hart, this.nextPc(), L.PC);
    const taken = f.let(f.call(this.library.trap.takeInterrupt, this.hart));
    f.set(loop.target, this.hart.load64(L.PC));
    f.branchIf(loop.labels.counted, taken);
    f.branch(loop.labels.jump);
  }

  resume(): void {
    this.f.set(this.loop.target, this.hart.load64(L.PC));
    this.f.branch(this.loop.labels.counted);
  }

  private leave(reason: number, pc: I64): void {
    this.f.store(this.hart, pc, L.PC);
    this.f.set(this.loop.exitReason, i32(reason));
    this.f.branch(this.loop.labels.exit);
  }

  wait(): void {
    this.f.store(this.hart, i32(1), L.WAITING);
    this.leave(Exit.waiting, this.nextPc());
  }

  environmentCall(): void {
    const { f, hart } = this;
    const privilege = f.let(hart.load(L.PRIVILEGE));
    const supervisor = privilege.eq(Privilege.S).and(hart.load(L.SBI_CALLS));
    f.if(supervisor, () => this.leave(Exit.sbi, this.pc()));
    f.do(this.library.trap.raise, hart, privilege.add(Cause.userEcall), i64(0));
    this.raisePending();
  }
}
