import * as L from '../../hart/layout.ts';
import { fetchEntry } from '../../hart/library/tlb.ts';
import { FRAME_BYTES } from '../../memory/layout.ts';
import { REGION_RETURNED, RegionExit, SLOTS_REGION } from '../interpreter/slots.ts';
import {
  type Declared,
  type FunctionBuilder,
  type I32,
  type I64,
  i32,
  type Label,
  type Likelihood,
  type Local,
  select,
} from '../wasm/index.ts';
import { type Block, isFloat, isReturn, type Placed } from './blocks.ts';
import { type BlockEnd, type Known, RegionEmitter, type RegionFrame } from './emitter.ts';
import { type Graph, isLoopHeader, isMerge, makeGraph } from './graph.ts';
import { findNeighbours, type Neighbours } from './neighbours.ts';
import { ALL_OPTIMIZATIONS, type Optimizations } from './options.ts';
import { common, isEmpty, members, type RegisterSet } from './registers.ts';
import { type Opening, planRegisters, type RegisterPlan } from './scopes.ts';

/** How `way out` is packed: bits 11:0 page offset, 23:12 instructions of the block that are done, 31:24 RegionExit. */
const DONE_SHIFT = 12;
const EXIT_SHIFT = 24;

function wayOut(exit: RegionExit, offset: number, done: number): I32 {
  return i32(offset | (done << DONE_SHIFT) | (exit << EXIT_SHIFT));
}

export interface OtherRegions {
  /** Goes on in the region with a number: (hart, virtual address of its page, number). */
  readonly goOn: Declared<readonly ['i32', 'i64', 'i32'], 'i32'>;
  /** Calls what is at an address: (hart, virtual address, virtual address that it returns to) -> RegionExit or REGION_RETURNED. */
  readonly call: Declared<readonly ['i32', 'i64', 'i64'], 'i32'>;
}

/** The region that starts at `target`, and the virtual address of its page, by way of the fetch TLB; `leave` where there is none. */
export function findRegion(
  f: FunctionBuilder,
  hart: I32,
  target: I64,
  leave: (exit: RegionExit) => () => void,
  rare: Likelihood | undefined,
): { page: I64; region: I32 } {
  const page = f.let(target.and(-4096n));
  const entry = f.let(fetchEntry(hart, target));
  const tag = page.or(hart.load64(L.FETCH_CONTEXT));
  f.if(entry.load64(L.FETCH_TLB + L.TLB_READ_TAG).ne(tag), leave(RegionExit.otherPage), undefined, rare);
  const at = entry.load(L.FETCH_TLB + L.TLB_ADDEND).add(target.wrap().and(0xffe));
  const region = f.let(at.load16U(SLOTS_REGION));
  f.if(region.eqz(), leave(RegionExit.untranslated), undefined, rare);
  return { page, region };
}

export interface RegionOptions {
  readonly optimizations?: Optimizations;
  /** Offsets of accesses that are not checked together with their neighbours. */
  readonly apart?: ReadonlySet<number>;
}

/** Blocks that a branch reaches from here: loops around it, and merges behind what it is in. */
type Context = readonly { readonly position: number; readonly label: Label }[];

/**
 * Writes the body of one region: a function (hart, virtual address of the page) -> RegionExit. Control flow is structured along the
 * dominator tree (Ramsey, "Beyond Relooper"): loop headers become loops, merges become blocks to leave, everything else nests.
 */
export class RegionWriter {
  private readonly f: FunctionBuilder;
  private readonly others: OtherRegions;
  private readonly graph: Graph;
  private readonly optimizations: Optimizations;
  private readonly apart: ReadonlySet<number>;
  private readonly plan: RegisterPlan;
  private readonly frame: RegionFrame;
  private readonly hart: Local<'i32'>;
  private readonly pageAddress: Local<'i64'>;
  private readonly branches: Local<'i64'>;
  private readonly stop: Local<'i64'>;
  private readonly retired: Local<'i64'>;
  private readonly target: Local<'i64'>;
  private readonly wayOut: Local<'i32'>;
  private sideExit!: Label;
  private readonly returns: boolean;
  /** For branches that are taken hardly ever. */
  private readonly rare: Likelihood | undefined;
  private leaveCounted!: Label;
  private leaveUncounted!: Label;
  private leaveReturning!: Label;

  constructor(
    f: FunctionBuilder,
    parameters: { hart: Local<'i32'>; pageAddress: Local<'i64'> },
    others: OtherRegions,
    blocks: readonly Block[],
    entry: number,
    { optimizations = ALL_OPTIMIZATIONS, apart = new Set() }: RegionOptions = {},
  ) {
    this.f = f;
    this.apart = apart;
    this.optimizations = optimizations;
    this.returns = optimizations.linking && !optimizations.compact;
    this.rare = optimizations['branch-hints'] ? 'unlikely' : undefined;
    this.others = others;
    this.hart = parameters.hart;
    this.pageAddress = parameters.pageAddress;
    this.graph = makeGraph(blocks, entry);
    this.plan = planRegisters(this.graph, optimizations.registers);
    this.branches = f.local('i64');
    this.stop = f.local('i64');
    this.retired = f.local('i64');
    this.target = f.local('i64');
    this.wayOut = f.local('i32');
    const locals = (mask: number) =>
      Array.from({ length: 32 }, (_, i) => ((mask >>> i) & 1 ? f.local('i64') : undefined));
    const hostBases = new Map<number, Local<'i32'>>();
    const hostBase = (register: number): Local<'i32'> => {
      const local = hostBases.get(register) ?? f.local('i32');
      hostBases.set(register, local);
      return local;
    };
    this.frame = {
      hostBase,
      f,
      hart: this.hart,
      pageAddress: this.pageAddress,
      x: locals(this.plan.used.x),
      fp: locals(this.plan.used.f),
      interpretIf: (condition, offset, index, why) => this.leaveInside(why, offset, index, condition),
      interpretNeighboursIf: (condition, offset, index, straddle) =>
        this.leaveNeighbours(condition, offset, index, straddle),
    };
  }

  write(): void {
    const { f } = this;
    this.enter();
    f.block((uncounted) => {
      this.leaveUncounted = uncounted;
      f.block((counted) => {
        this.leaveCounted = counted;
        if (this.returns) f.block((returning) => this.body(returning));
        else this.body(counted);
        if (this.returns) this.finishReturn();
      });
      this.countLeaving();
    });
    this.goOn();
  }

  /** All blocks, and the ways out between two instructions. */
  private body(returning: Label): void {
    const { f } = this;
    this.leaveReturning = returning;
    f.block((side) => {
      this.sideExit = side;
      this.tree(0, []);
      f.unreachable();
    });
    this.finishSideExit();
  }

  private enter(): void {
    this.loadCounts();
  }

  private loadCounts(): void {
    const { f } = this;
    const hart = this.hart.get;
    f.set(this.branches, hart.load64(L.BRANCHES));
    f.set(this.stop, hart.load64(L.STOP_BRANCHES));
    f.set(this.retired, hart.load64(L.INSTRET));
  }

  private load(registers: RegisterSet): void {
    const { f, frame } = this;
    const hart = this.hart.get;
    for (const i of members(registers.x)) f.set(frame.x[i]!, hart.load64(L.X_REGISTERS + 8 * i));
    for (const i of members(registers.f)) f.set(frame.fp[i]!, hart.load64(L.F_REGISTERS + 8 * i));
  }

  /** Side exits in `body` store the registers whose scope it is. */
  private open(opening: Opening | undefined, body: () => void): void {
    if (!opening) {
      body();
      return;
    }
    this.load(opening.load);
    if (isEmpty(opening.written)) {
      body();
      return;
    }
    const { f, sideExit: outer } = this;
    let used = false;
    f.block((label) => {
      this.sideExit = {
        get depth() {
          used = true;
          return label.depth;
        },
      };
      body();
      this.sideExit = outer;
    });
    if (!used) return;
    this.spill(opening.written);
    f.branch(outer);
  }

  private spill(dirty: RegisterSet): void {
    const { f, frame } = this;
    for (const i of members(dirty.x)) f.store(this.hart.get, frame.x[i]!.get, L.X_REGISTERS + 8 * i);
    for (const i of members(dirty.f)) f.store(this.hart.get, frame.fp[i]!.get, L.F_REGISTERS + 8 * i);
  }

  /** To `finishSideExit`, with nothing of the instruction at `offset` done. */
  private leaveInside(exit: RegionExit, offset: number, done: number, condition?: I32): void {
    const { f } = this;
    f.set(this.wayOut, wayOut(exit, offset, done));
    if (condition) f.branchIf(this.sideExit, condition, this.rare);
    else f.branch(this.sideExit);
  }

  private leaveNeighbours(condition: I32, offset: number, done: number, straddle: I32): void {
    const { f } = this;
    if (!this.optimizations.straddles) {
      this.leaveInside(RegionExit.memory, offset, done, condition);
      return;
    }
    const leave = () => {
      const way = select(straddle, wayOut(RegionExit.straddle, offset, done), wayOut(RegionExit.memory, offset, done));
      f.set(this.wayOut, way);
      f.branch(this.sideExit);
    };
    f.if(condition, leave, undefined, this.rare);
  }

  private finishSideExit(): void {
    const { f } = this;
    const way = this.wayOut.get;
    const done = way.shrU(DONE_SHIFT).and(0xfff).extendU();
    f.store(this.hart.get, this.retired.get.add(done), L.INSTRET);
    f.store(this.hart.get, this.branches.get, L.BRANCHES);
    f.store(this.hart.get, this.pageAddress.get.add(way.and(FRAME_BYTES - 1).extendU()), L.PC);
    f.return(way.shrU(EXIT_SHIFT));
  }

  /** A counted transfer out of the region; when it is time to stop, `target` is where the hart stands. */
  private countLeaving(): void {
    const { f } = this;
    f.set(this.branches, this.branches.get.add(1));
    const stops = () => {
      this.storeCounts();
      f.store(this.hart.get, this.target.get, L.PC);
      f.return(i32(RegionExit.event));
    };
    f.if(this.branches.get.geU(this.stop.get), stops, undefined, this.rare);
  }

  private storeCounts(): void {
    this.f.store(this.hart.get, this.retired.get, L.INSTRET);
    this.f.store(this.hart.get, this.branches.get, L.BRANCHES);
  }

  /** A return out of the region: to the one that made the call, if it stands on the host's stack; else like any other jump. */
  private finishReturn(): void {
    const { f } = this;
    this.countLeaving();
    this.storeCounts();
    const hart = this.hart.get;
    f.if(hart.load(L.RETURNS_TOP).load64().eq(this.target.get), () => f.return(i32(REGION_RETURNED)));
    f.branch(this.leaveUncounted);
  }

  /** To the region that starts at `target`, or back to the loop of the interpreter. */
  private goOn(): void {
    const { f } = this;
    const hart = this.hart.get;
    const target = this.target.get;
    this.storeCounts();
    if (!this.optimizations.linking) {
      f.store(hart, target, L.PC);
      f.return(i32(RegionExit.untranslated));
      return;
    }
    const leave = (exit: RegionExit) => () => {
      f.store(hart, target, L.PC);
      f.return(i32(exit));
    };
    const { page, region } = findRegion(f, hart, target, leave, this.rare);
    f.returnCall(this.others.goOn, hart, page, region);
    f.unreachable();
  }

  /** The blocks that this one dominates, around it. */
  private tree(position: number, context: Context): void {
    const { graph, f, plan } = this;
    const merges = graph.dominated[position]!.filter((child) => isMerge(graph, child));
    this.open(plan.around[position]!, () => {
      if (!isLoopHeader(graph, position)) this.within(position, merges, context);
      else f.loop((label) => this.within(position, merges, [...context, { position, label }]));
    });
  }

  /** The block, with its merges behind it, first in order innermost. */
  private within(position: number, merges: readonly number[], context: Context): void {
    const last = merges.at(-1);
    if (last === undefined) {
      this.block(position, context);
      return;
    }
    this.f.block((label) => {
      this.within(position, merges.slice(0, -1), [...context, { position: last, label }]);
    });
    this.tree(last, context);
  }

  private block(position: number, context: Context): void {
    const { f } = this;
    const block = this.graph.blocks[position]!;
    const count = block.instructions.length;
    const addRetired = () => {
      if (count > 0) f.set(this.retired, this.retired.get.add(count));
    };
    const last = block.instructions.at(-1);
    const { ending } = block;
    const end = {
      branch: (condition: I32) => {
        if (ending.kind !== 'branch') throw new Error('a branch that does not end its block');
        const taken = f.let(condition);
        addRetired();
        f.if(
          taken,
          () => this.edge(position, last!.offset, ending.taken, context),
          () => this.edge(position, last!.offset, ending.next, context),
        );
      },
      jump: () => {
        if (ending.kind === 'call') {
          addRetired();
          const to = ending.target!;
          this.callOut(position, ending.next, this.pageAddress.get.add(to), to <= last!.offset, context);
          return;
        }
        if (ending.kind !== 'jump') throw new Error('a jump that does not end its block');
        addRetired();
        this.edge(position, last!.offset, ending.target, context);
      },
      indirect: (target: I64) => {
        if (ending.kind === 'call') {
          const to = f.let(target);
          addRetired();
          this.callOut(position, ending.next, to, true, context);
          return;
        }
        if (ending.kind !== 'indirect') throw new Error('an indirect jump that does not end its block');
        const to = f.let(target);
        addRetired();
        for (const offset of ending.likely) {
          const next = this.graph.position.get(offset);
          if (next === undefined || this.graph.isCut(position, next)) continue;
          f.if(to.eq(this.pageAddress.get.add(offset)), () => this.inside(position, next, offset, true, context));
        }
        this.leave(position, to, isReturn(last!.decoded) ? this.leaveReturning : this.leaveCounted);
      },
    };
    this.instructions(position, end, () => {
      if (ending.kind === 'fall') {
        addRetired();
        this.edge(position, -1, ending.next, context);
      } else if (ending.kind === 'interpret') {
        this.leaveInside(RegionExit.system, ending.offset, count);
      }
    });
  }

  /** All of a block, then `ending`, each within the scopes that begin before it. */
  private instructions(position: number, end: BlockEnd, ending: () => void): void {
    const block = this.graph.blocks[position]!;
    const [before, behind] = [this.plan.before[position]!, this.plan.behind[position]!];
    const groups = this.optimizations.neighbours ? findNeighbours(block, this.apart) : new Map<number, Neighbours>();
    const firstFloat = block.instructions.findIndex(({ decoded }) => isFloat(decoded));
    const from = (index: number): void => {
      const placed = block.instructions[index];
      this.open(before.get(index), () => {
        if (!placed) {
          ending();
          return;
        }
        const floatChecked = firstFloat >= 0 && firstFloat < index;
        this.instruction(placed, index, end, { floatChecked, neighbours: groups.get(index) });
        this.open(behind.get(index), () => from(index + 1));
      });
    };
    from(0);
  }

  private instruction(placed: Placed, index: number, end: BlockEnd, known: Known): void {
    const { instruction, rd } = placed.decoded;
    if (instruction.pure && rd === 0) return;
    this.f.scope(() => instruction.emit(new RegionEmitter(this.frame, placed, index, end, known)));
  }

  /** From a block to a page offset. `from`: offset of the transfer; one to a lower or equal offset is counted. -1: no transfer. */
  private edge(position: number, from: number, to: number, context: Context): void {
    const { graph } = this;
    const counted = from >= 0 && to <= from;
    const next = graph.position.get(to);
    if (next === undefined || graph.isCut(position, next)) {
      const target = this.pageAddress.get.add(to);
      this.leave(position, target, counted ? this.leaveCounted : this.leaveUncounted);
      return;
    }
    this.inside(position, next, to, counted, context);
  }

  /** To a block of the region, at page offset `to`. */
  private inside(position: number, next: number, to: number, counted: boolean, context: Context): void {
    const { f, plan } = this;
    if (counted) {
      f.set(this.branches, this.branches.get.add(1));
      f.if(this.branches.get.geU(this.stop.get), () => this.leaveInside(RegionExit.event, to, 0), undefined, this.rare);
    }
    this.spill(common(plan.dirtyAfter[position]!, plan.left(position, next)));
    this.goTo(next, context);
  }

  private goTo(position: number, context: Context): void {
    const known = context.findLast((entry) => entry.position === position);
    if (known) this.f.branch(known.label);
    else this.tree(position, context);
  }

  /** Calls what is not in the region, and goes on at `next` if it returns there; the callee has the registers meanwhile. */
  private callOut(position: number, next: number, target: I64, counted: boolean, context: Context): void {
    const { f, plan } = this;
    const to = this.graph.position.get(next);
    if (to === undefined || this.graph.isCut(position, to)) {
      this.leave(position, target, counted ? this.leaveCounted : this.leaveUncounted);
      return;
    }
    f.set(this.target, target);
    this.spill(plan.dirtyAfter[position]!);
    if (counted) this.countLeaving();
    this.storeCounts();
    const returnsTo = this.pageAddress.get.add(next);
    f.set(this.wayOut, f.call(this.others.call, this.hart.get, this.target.get, returnsTo));
    f.if(this.wayOut.get.ne(REGION_RETURNED), () => f.return(this.wayOut.get), undefined, this.rare);
    this.loadCounts();
    this.load(plan.returned(position, to));
    this.goTo(to, context);
  }

  private leave(position: number, target: I64, label: Label): void {
    this.f.set(this.target, target);
    this.spill(this.plan.dirtyAfter[position]!);
    this.f.branch(label);
  }
}
