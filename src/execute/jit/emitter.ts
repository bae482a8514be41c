import { violation } from '../../common/invariant.ts';
import { MSTATUS_FS } from '../../hart/constants.ts';
import { quickCsr } from '../../hart/csr.ts';
import { RegionExit } from '../../hart/decoded-slots.ts';
import * as L from '../../hart/layout.ts';
import type { HartLibrary } from '../../hart/library/index.ts';
import { dataEntry } from '../../hart/library/tlb.ts';
import type { CsrAccess, Emitter, FloatSource, FloatUnit, Source, Width } from '../../isa/emitter.ts';
import { type FunctionBuilder, type I32, type I64, i32, i64, type Local, select } from '../wasm/index.ts';
import type { Placed } from './blocks.ts';
import { FloatInline } from './float-inline.ts';
import type { Neighbours } from './neighbours.ts';

const FS = Number(MSTATUS_FS);
const BOX = -0x1_0000_0000n;
const CANONICAL_NAN = 0x7fc0_0000;
const DYNAMIC = 7;

/** What a region keeps in locals, and the ways out of an instruction. */
export interface RegionFrame {
  readonly f: FunctionBuilder;
  readonly hart: Local<'i32'>;
  readonly pageAddress: Local<'i64'>;
  readonly x: readonly (Local<'i64'> | undefined)[];
  readonly fp: readonly (Local<'i64'> | undefined)[];
  /** The hart's DATA_CONTEXT, for comparisons with tags of the data TLB; only where the region accesses memory. */
  readonly dataContext: Local<'i64'> | undefined;
  /** A local for the host address that a base register stands for. */
  hostBase(register: number): Local<'i32'>;
  /** Leaves the region for the interpreter to do the instruction at `offset`, the `index`-th of its block. */
  interpretIf(condition: I32 | undefined, offset: number, index: number, why: RegionExit): void;
}

/** Where control goes at the end of a block. */
export interface BlockEnd {
  branch(condition: I32): void;
  jump(): void;
  indirect(target: I64): void;
}

/** Operands are constants, registers are locals; whatever is rare is left to the interpreter. */
export class RegionEmitter implements Emitter {
  readonly f: FunctionBuilder;
  readonly hart: I32;
  readonly float: FloatUnit;
  private readonly frame: RegionFrame;
  private readonly placed: Placed;
  private readonly index: number;
  private readonly end: BlockEnd;
  /** Floating point was found on earlier in the block, and marked dirty. */
  private readonly floatChecked: boolean;
  /** The access belongs to these. */
  private readonly neighbours: Neighbours | undefined;

  constructor(
    frame: RegionFrame,
    placed: Placed,
    index: number,
    end: BlockEnd,
    known: { readonly floatChecked: boolean; readonly neighbours: Neighbours | undefined },
  ) {
    this.f = frame.f;
    this.hart = frame.hart.get;
    this.frame = frame;
    this.placed = placed;
    this.index = index;
    this.end = end;
    this.floatChecked = known.floatChecked;
    this.neighbours = known.neighbours;
    this.float = new FloatInline(this.f, this.hart, () => this.giveUp(RegionExit.float));
  }

  get library(): HartLibrary {
    throw violation(`${this.placed.decoded.instruction.name} is left to the interpreter`);
  }

  private giveUp(why: RegionExit, condition?: I32): void {
    this.frame.interpretIf(condition, this.placed.offset, this.index, why);
  }

  x(source: Source): I64 {
    const number = this.placed.decoded[source];
    return number === 0 ? i64(0) : this.frame.x[number]!.get;
  }

  setX(value: I64): void {
    const { rd } = this.placed.decoded;
    if (rd === 0) this.f.drop(value);
    else this.f.set(this.frame.x[rd]!, value);
  }

  rawFloat(source: FloatSource): I64 {
    return this.frame.fp[this.placed.decoded[source]]!.get;
  }

  d(source: FloatSource): I64 {
    return this.rawFloat(source);
  }

  s(source: FloatSource): I32 {
    const whole = this.f.let(this.rawFloat(source));
    return select(whole.geU(BOX), whole.wrap(), i32(CANONICAL_NAN));
  }

  setD(bits: I64): void {
    this.f.set(this.frame.fp[this.placed.decoded.rd]!, bits);
  }

  setS(bits: I32): void {
    this.setD(bits.extendU().or(BOX));
  }

  immediate(): I64 {
    return i64(this.placed.decoded.immediate);
  }

  immediate32(): I32 {
    return i32(this.placed.decoded.immediate);
  }

  rs1Field(): I32 {
    return i32(this.placed.decoded.rs1);
  }

  rs1Given(): I32 {
    return i32(this.placed.decoded.rs1);
  }

  rs2Given(): I32 {
    return i32(this.placed.decoded.rs2);
  }

  pc(): I64 {
    return this.frame.pageAddress.get.add(this.placed.offset);
  }

  nextPc(): I64 {
    return this.frame.pageAddress.get.add(this.placed.offset + this.placed.decoded.length);
  }

  requireFloat(): void {
    if (this.floatChecked) return;
    const status = this.f.let(this.hart.load(L.MSTATUS));
    this.giveUp(RegionExit.float, status.and(FS).eqz());
    this.f.store(this.hart, status.or(FS), L.MSTATUS);
  }

  roundingMode(): I32 {
    const { rm } = this.placed.decoded;
    if (rm !== DYNAMIC) return i32(rm);
    const mode = this.f.let(this.hart.load(L.FRM));
    this.giveUp(RegionExit.float, mode.gtU(4));
    return mode;
  }

  /** The host address of an access that the TLB allows; others are the interpreter's. */
  private host(address: I64, width: Width, tagOffset: number): I32 {
    const { f } = this;
    const entry = f.let(dataEntry(this.hart, address));
    const lastByte = width === 1 ? address : address.add(width - 1);
    const tag = lastByte.and(-4096n).or(this.frame.dataContext!.get);
    this.giveUp(RegionExit.memory, entry.load64(L.DATA_TLB + tagOffset).ne(tag));
    return address.wrap().add(entry.load(L.DATA_TLB + L.TLB_ADDEND));
  }

  /** Through the host address that the base register stands for, which is good for all of its neighbours. */
  private fromBase(neighbours: Neighbours): { at: I32; offset: number } {
    const { f } = this;
    const local = this.frame.hostBase(neighbours.base);
    if (neighbours.first === this.index) {
      const base = this.frame.x[neighbours.base]!.get;
      const entry = f.let(dataEntry(this.hart, base.add(neighbours.low)));
      const tag = base
        .add(neighbours.high - 1)
        .and(-4096n)
        .or(this.frame.dataContext!.get);
      // What may be written may be read (12.3.1).
      const tagOffset = neighbours.stores ? L.TLB_WRITE_TAG : L.TLB_READ_TAG;
      this.giveUp(RegionExit.memory, entry.load64(L.DATA_TLB + tagOffset).ne(tag));
      f.set(local, base.wrap().add(entry.load(L.DATA_TLB + L.TLB_ADDEND)));
    }
    // Frames lie far above address 0, so base and immediate need not wrap around.
    const { immediate } = this.placed.decoded;
    return immediate >= 0 ? { at: local.get, offset: immediate } : { at: local.get.add(immediate), offset: 0 };
  }

  private place(address: I64, width: Width, tagOffset: number): { at: I32; offset: number } {
    if (this.neighbours) return this.fromBase(this.neighbours);
    return { at: this.host(this.f.let(address), width, tagOffset), offset: 0 };
  }

  load(from: I64, width: Width, signed: boolean): I64 {
    const { at, offset } = this.place(from, width, L.TLB_READ_TAG);
    return at.load64Of(width, signed, offset);
  }

  store(to: I64, width: Width, value: I64): void {
    const { at, offset } = this.place(to, width, L.TLB_WRITE_TAG);
    this.f.store64Of(width, at, value, offset);
  }

  atomic(address: I64, width: 4 | 8, access: 1 | 2): I32 {
    this.giveUp(RegionExit.memory, address.wrap().and(width - 1));
    return this.host(address, width, access === 1 ? L.TLB_READ_TAG : L.TLB_WRITE_TAG);
  }

  physicalAddress(address: I64, _width: 4 | 8, _access: 1 | 2): I64 {
    // The access was allowed by the entry, so its physical page is there.
    const page = dataEntry(this.hart, address).load(L.DATA_TLB + L.TLB_PAGE);
    return page.shrU(2).extendU().shl(12).or(address.and(4095));
  }

  branch(condition: I32): void {
    this.end.branch(condition);
  }

  jump(): void {
    this.end.jump();
  }

  jumpIndirect(target: I64): void {
    this.end.indirect(target.and(~1n));
  }

  illegalIf(condition: I32): void {
    this.giveUp(RegionExit.guard, condition);
  }

  illegal(): void {
    this.giveUp(RegionExit.guard);
  }

  raise(): void {
    this.giveUp(RegionExit.guard);
  }

  raisePending(): void {
    this.giveUp(RegionExit.guard);
  }

  /**
   * Only of CSRs that have a quick access; what is not allowed, or has effects beyond the register, is the
   * interpreter's.
   */
  csr({ always, source, combine }: CsrAccess): void {
    const { immediate: address, rs1 } = this.placed.decoded;
    const quick = quickCsr(address)!;
    const c = { f: this.f, hart: this.hart, giveUpIf: (condition: I32) => this.giveUp(RegionExit.guard, condition) };
    this.giveUp(RegionExit.guard, this.hart.load(L.PRIVILEGE).ltU((address >>> 8) & 3));
    const old = this.f.let(quick.read(c));
    if (always || rs1 !== 0) {
      quick.write(c, this.f.let(combine(old, source())));
      const { dataContext } = this.frame;
      if (dataContext) this.f.set(dataContext, this.hart.load64(L.DATA_CONTEXT));
    }
    this.setX(old);
  }

  // Only instructions with the flow `system` use these.
  settle(): void {
    void this.library;
  }
  resume(): void {
    void this.library;
  }
  wait(): void {
    void this.library;
  }
  environmentCall(): void {
    void this.library;
  }
}
