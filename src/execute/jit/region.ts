import * as L from '../../hart/layout.ts';
import { fetchEntry } from '../../hart/library/tlb.ts';
import { FRAME_BYTES } from '../../memory/layout.ts';
import { RegionExit, SLOTS_REGION } from '../interpreter/slots.ts';
import { type Declared, type FunctionBuilder, type I32, type I64, i32, type Label, type Local } from '../wasm/index.ts';
import { type Block, isFloat } from './blocks.ts';
import { RegionEmitter, type RegionFrame } from './emitter.ts';
import { type Graph, isLoopHeader, isMerge, makeGraph } from './graph.ts';
import { findNeighbours, type Neighbours } from './neighbours.ts';
import { ALL_OPTIMIZATIONS, type Optimizations } from './options.ts';
import { members, planRegisters, type RegisterPlan, type RegisterSet } from './registers.ts';

/** How `way out` is packed: bits 11:0 page offset, 23:12 instructions of the block that are done, 31:24 RegionExit. */
const DONE_SHIFT = 12;
const EXIT_SHIFT = 24;

/** Goes on in the region with a number: (hart, virtual address of its page, number). */
export type OtherRegion = Declared<readonly ['i32', 'i64', 'i32'], 'i32'>;

/** Blocks that a branch reaches from here: loops around it, and merges behind what it is in. */
type Context = readonly { readonly position: number; readonly label: Label }[];

/**
 * Writes the body of one region: a function (hart, virtual address of the page) -> RegionExit. Control flow is structured along the
 * dominator tree (Ramsey, "Beyond Relooper"): loop headers become loops, merges become blocks to leave, everything else nests.
 */
export class RegionWriter {
  private readonly f: FunctionBuilder;
  private readonly other: OtherRegion;
  private readonly graph: Graph;
  private readonly optimizations: Optimizations;
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
  private leaveCounted!: Label;
  private leaveUncounted!: Label;

  constructor(
    f: FunctionBuilder,
    parameters: { hart: Local<'i32'>; pageAddress: Local<'i64'> },
    other: OtherRegion,
    blocks: readonly Block[],
    entry: number,
    optimizations: Optimizations = ALL_OPTIMIZATIONS,
  ) {
    this.f = f;
    this.optimizations = optimizations;
    this.other = other;
    this.hart = parameters.hart;
    this.pageAddress = parameters.pageAddress;
    this.graph = makeGraph(blocks, entry);
    this.plan = planRegisters(this.graph);
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
    };
  }

  write(): void {
    const { f } = this;
    this.enter();
    f.block((uncounted) => {
      this.leaveUncounted = uncounted;
      f.block((counted) => {
        this.leaveCounted = counted;
        f.block((side) => {
          this.sideExit = side;
          this.tree(0, []);
          f.unreachable();
        });
        this.finishSideExit();
      });
      this.countLeaving();
    });
    this.goOn();
  }

  private enter(): void {
    const { f, plan, frame } = this;
    const hart = this.hart.get;
    for (const i of members(plan.used.x)) f.set(frame.x[i]!, hart.load64(L.X_REGISTERS + 8 * i));
    for (const i of members(plan.used.f)) f.set(frame.fp[i]!, hart.load64(L.F_REGISTERS + 8 * i));
    f.set(this.branches, hart.load64(L.BRANCHES));
    f.set(this.stop, hart.load64(L.STOP_BRANCHES));
    f.set(this.retired, hart.load64(L.INSTRET));
  }

  private spill(dirty: RegisterSet): void {
    const { f, frame } = this;
    for (const i of members(dirty.x)) f.store(this.hart.get, frame.x[i]!.get, L.X_REGISTERS + 8 * i);
    for (const i of members(dirty.f)) f.store(this.hart.get, frame.fp[i]!.get, L.F_REGISTERS + 8 * i);
  }

  /** To `finishSideExit`, with nothing of the instruction at `offset` done. */
  private leaveInside(exit: RegionExit, offset: number, done: number, condition?: I32): void {
    const { f } = this;
    f.set(this.wayOut, i32(offset | (done << DONE_SHIFT) | (exit << EXIT_SHIFT)));
    if (condition) f.branchIf(this.sideExit, condition);
    else f.branch(this.sideExit);
  }

  private finishSideExit(): void {
    const { f } = this;
    const way = this.wayOut.get;
    this.spill(this.plan.written);
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
    f.if(this.branches.get.geU(this.stop.get), () => {
      this.storeCounts();
      f.store(this.hart.get, this.target.get, L.PC);
      f.return(i32(RegionExit.event));
    });
  }

  private storeCounts(): void {
    this.f.store(this.hart.get, this.retired.get, L.INSTRET);
    this.f.store(this.hart.get, this.branches.get, L.BRANCHES);
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
    const page = f.let(target.and(-4096n));
    const entry = f.let(fetchEntry(hart, target));
    f.if(entry.load64(L.FETCH_TLB + L.TLB_READ_TAG).eq(page.or(hart.load64(L.FETCH_CONTEXT))), () => {
      const at = entry.load(L.FETCH_TLB + L.TLB_ADDEND).add(target.wrap().and(0xffe));
      const region = f.let(at.load16U(SLOTS_REGION));
      f.if(region, () => f.returnCall(this.other, hart, page, region));
      f.store(hart, target, L.PC);
      f.return(i32(RegionExit.untranslated));
    });
    f.store(hart, target, L.PC);
    f.result(i32(RegionExit.otherPage));
  }

  /** The blocks that this one dominates, around it. */
  private tree(position: number, context: Context): void {
    const { graph, f } = this;
    const merges = graph.dominated[position]!.filter((child) => isMerge(graph, child));
    if (!isLoopHeader(graph, position)) {
      this.within(position, merges, context);
      return;
    }
    f.loop((label) => this.within(position, merges, [...context, { position, label }]));
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
        if (ending.kind !== 'jump') throw new Error('a jump that does not end its block');
        addRetired();
        this.edge(position, last!.offset, ending.target, context);
      },
      indirect: (target: I64) => {
        if (ending.kind !== 'indirect') throw new Error('an indirect jump that does not end its block');
        const to = f.let(target);
        addRetired();
        for (const offset of ending.likely) {
          const next = this.graph.position.get(offset);
          if (next === undefined || this.graph.isCut(position, next)) continue;
          f.if(to.eq(this.pageAddress.get.add(offset)), () => this.inside(next, offset, true, context));
        }
        this.leave(position, to, this.leaveCounted);
      },
    };
    this.instructions(block, end);
    if (ending.kind === 'fall') {
      addRetired();
      this.edge(position, -1, ending.next, context);
    } else if (ending.kind === 'interpret') {
      this.leaveInside(RegionExit.system, ending.offset, count);
    }
  }

  private instructions(block: Block, end: ConstructorParameters<typeof RegionEmitter>[3]): void {
    let floatChecked = false;
    const groups = this.optimizations.neighbours ? findNeighbours(block) : new Map<number, Neighbours>();
    block.instructions.forEach((placed, index) => {
      const { instruction, rd } = placed.decoded;
      if (instruction.pure && rd === 0) return;
      this.f.scope(() =>
        instruction.emit(
          new RegionEmitter(this.frame, placed, index, end, { floatChecked, neighbours: groups.get(index) }),
        ),
      );
      if (isFloat(placed.decoded)) floatChecked = true;
    });
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
    this.inside(next, to, counted, context);
  }

  /** To a block of the region, at page offset `to`. */
  private inside(next: number, to: number, counted: boolean, context: Context): void {
    const { f } = this;
    if (counted) {
      f.set(this.branches, this.branches.get.add(1));
      f.if(this.branches.get.geU(this.stop.get), () => this.leaveInside(RegionExit.event, to, 0));
    }
    const known = context.findLast((entry) => entry.position === next);
    if (known) f.branch(known.label);
    else this.tree(next, context);
  }

  private leave(position: number, target: I64, label: Label): void {
    this.f.set(this.target, target);
    this.spill(this.plan.dirtyAfter[position]!);
    this.f.branch(label);
  }
}
