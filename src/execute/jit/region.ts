import { invariant } from '../../common/invariant.ts';
import { RegionExit, SLOTS_LINKS, SLOTS_REGION } from '../../hart/decoded-slots.ts';
import * as L from '../../hart/layout.ts';
import { fetchEntry } from '../../hart/library/tlb.ts';
import { FRAME_BYTES } from '../../memory/layout.ts';
import {
  type Declared,
  type FunctionBuilder,
  type I32,
  type I64,
  i32,
  i64,
  type Label,
  type Local,
} from '../wasm/index.ts';
import { accessesMemory, type Block, isFloat, linkOf, pageDistance } from './blocks.ts';
import { RegionEmitter, type RegionFrame } from './emitter.ts';
import { DISPATCHER, type Graph, isLoopHeader, isMerge, makeGraph } from './graph.ts';
import { findNeighbours, type Neighbours } from './neighbours.ts';
import { ALL_OPTIMIZATIONS, type Optimizations } from './options.ts';
import { intersection, isEmpty, members, planRegisters, type RegisterPlan, type RegisterSet } from './registers.ts';

/**
 * How `way out` is packed: bits 19:0 halfwords from the page's start, 28:20 instructions that are done and not counted,
 * 31:29 RegionExit.
 */
const PLACE_BITS = 20;
const DONE_BITS = 9;
const EXIT_SHIFT = PLACE_BITS + DONE_BITS;
/** No page of a region is as far away from its own. */
export const DISTANCE_LIMIT = 2 ** PLACE_BITS / FRAME_BYTES;

/** Goes on in the region with a number: (hart, virtual address of its page, decoded page, number). */
export type OtherRegion = Declared<readonly ['i32', 'i64', 'i32', 'i32'], 'i32'>;

export interface RegionParameters {
  readonly hart: Local<'i32'>;
  readonly pageAddress: Local<'i64'>;
  readonly decodedPage: Local<'i32'>;
}

/**
 * `behind`: instructions that were executed and are not counted yet. They are counted where control may come from
 * elsewhere, or leaves.
 */
interface Counting {
  readonly behind: number;
}

/**
 * From a block to an offset. `from`: offset of the transfer; one to a lower or equal offset is counted. Undefined: no
 * transfer.
 */
interface Edge extends Counting {
  readonly position: number;
  readonly from: number | undefined;
  readonly to: number;
}

/** To the block at position `next`. */
interface InnerEdge extends Counting {
  readonly position: number;
  readonly next: number;
  readonly isCounted: boolean;
}

/** Blocks that a branch reaches from here: loops around it, and merges behind what it is in. */
type Context = readonly { readonly position: number; readonly label: Label }[];

function labelOf(position: number, context: Context): Label | undefined {
  return context.findLast((entry) => entry.position === position)?.label;
}

/**
 * Instructions of a loop that is one block, the first of those that lie deepest; 0 without one. Counted with the
 * transfer that closes the loop they need no addition of their own, and no register to add to.
 */
function loopLength(graph: Graph): number {
  const { blocks, predecessors, immediateDominator } = graph;
  let [length, deepest] = [0, -1];
  predecessors.forEach((sources, i) => {
    if (!sources.includes(i)) return;
    let depth = 0;
    for (let at = immediateDominator[i]!; at > 0; at = immediateDominator[at]!) if (isLoopHeader(graph, at)) depth++;
    if (depth > deepest) [length, deepest] = [blocks[i]!.instructions.length, depth];
  });
  return length;
}

/**
 * Writes the body of one region: a function (hart, virtual address of the page, decoded page) -> RegionExit. Control
 * flow is structured along the dominator tree (Ramsey, "Beyond Relooper"): loop headers become loops, merges become
 * blocks to leave, everything else nests.
 *
 * Where control goes to another page for the first time, the fetch TLB must lead to the page that the code was made
 * from, which the decoded page has a link to. No region changes the TLB, so once is enough.
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
  private readonly decodedPage: Local<'i32'>;
  /** By distance of another page: 1 when it was found to be the right one. */
  private readonly checkedPages = new Map<number, Local<'i32'>>();
  /** Counted transfers until it is time to stop. Negative, too, where that is overdue. */
  private readonly left: Local<'i64'>;
  /** Instructions retired, less `perBranch` for each counted transfer. */
  private readonly retired: Local<'i64'>;
  private readonly perBranch: number;
  private readonly target: Local<'i64'>;
  private readonly wayOut: Local<'i32'>;
  /** Which of `graph.dispatched` the dispatcher goes to: the entry at first. */
  private readonly choice: Local<'i32'> | undefined;
  /** Instructions of the blocks before the one that is being written that `retired` has not counted yet. */
  private behind = 0;
  private sideExit!: Label;
  private leaveCounted!: Label;
  private leaveUncounted!: Label;

  constructor(
    f: FunctionBuilder,
    parameters: RegionParameters,
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
    this.decodedPage = parameters.decodedPage;
    this.graph = makeGraph(blocks, entry);
    this.plan = planRegisters(this.graph, optimizations['lazy-loads']);
    this.left = f.local('i64');
    this.retired = f.local('i64');
    this.perBranch = loopLength(this.graph);
    this.target = f.local('i64');
    this.wayOut = f.local('i32');
    this.choice = this.graph.dispatched.length > 0 ? f.local('i32') : undefined;
    for (const { start } of this.graph.blocks) {
      const distance = pageDistance(start);
      if (distance !== 0 && !this.checkedPages.has(distance)) this.checkedPages.set(distance, f.local('i32'));
    }
    const locals = (mask: number) =>
      Array.from({ length: 32 }, (_, i) => ((mask >>> i) & 1 ? f.local('i64') : undefined));
    const hostBases = new Map<number, Local<'i32'>>();
    const hostBase = (register: number): Local<'i32'> => {
      const local = hostBases.get(register) ?? f.local('i32');
      hostBases.set(register, local);
      return local;
    };
    const usesMemory = blocks.some(({ instructions }) => instructions.some(({ decoded }) => accessesMemory(decoded)));
    this.frame = {
      dataContext: usesMemory ? f.local('i64') : undefined,
      hostBase,
      f,
      hart: this.hart,
      pageAddress: this.pageAddress,
      x: locals(this.plan.used.x),
      fp: locals(this.plan.used.f),
      interpretIf: (condition, offset, index, why) => this.leaveInside(why, offset, this.behind + index, condition),
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
          this.tree(0, [], 0);
          f.unreachable();
        });
        this.finishSideExit();
      });
      this.countLeaving();
    });
    this.goOn();
  }

  private enter(): void {
    const { f, plan } = this;
    const hart = this.hart.get;
    this.load(plan.loadedAt[0]!);
    const branches = f.let(hart.load64(L.BRANCHES));
    f.set(this.left, hart.load64(L.STOP_BRANCHES).sub(branches));
    f.set(this.retired, hart.load64(L.INSTRET).sub(this.countedWith(branches)));
    const { dataContext } = this.frame;
    if (dataContext) f.set(dataContext, hart.load64(L.DATA_CONTEXT));
  }

  private load(registers: RegisterSet): void {
    const { f, frame } = this;
    const hart = this.hart.get;
    for (const i of members(registers.x)) f.set(frame.x[i]!, hart.load64(L.X_REGISTERS + 8 * i));
    for (const i of members(registers.f)) f.set(frame.fp[i]!, hart.load64(L.F_REGISTERS + 8 * i));
  }

  private spill(dirty: RegisterSet): void {
    const { f, frame } = this;
    for (const i of members(dirty.x)) f.store(this.hart.get, frame.x[i]!.get, L.X_REGISTERS + 8 * i);
    for (const i of members(dirty.f)) f.store(this.hart.get, frame.fp[i]!.get, L.F_REGISTERS + 8 * i);
  }

  /** To `finishSideExit`, with nothing of the instruction at `offset` done. */
  private leaveInside(exit: RegionExit, offset: number, done: number, condition?: I32): void {
    const { f } = this;
    const place = (offset >> 1) & (2 ** PLACE_BITS - 1);
    f.set(this.wayOut, i32(place | (done << PLACE_BITS) | (exit << EXIT_SHIFT)));
    if (condition) f.branchIf(this.sideExit, condition);
    else f.branch(this.sideExit);
  }

  private finishSideExit(): void {
    const { f } = this;
    const way = this.wayOut.get;
    this.spill(this.writtenOf(0));
    const place = way.shl(32 - PLACE_BITS).shrS(32 - PLACE_BITS - 1);
    f.set(this.target, this.pageAddress.get.add(place.extendS()));
    const done = way
      .shrU(PLACE_BITS)
      .and(2 ** DONE_BITS - 1)
      .extendU();
    f.set(this.retired, this.retired.get.add(done));
    // Another page than was expected: it may have regions of its own.
    if (this.checkedPages.size > 0) f.branchIf(this.leaveUncounted, way.shrU(EXIT_SHIFT).eqz());
    this.storeCounts();
    f.store(this.hart.get, this.target.get, L.PC);
    f.return(way.shrU(EXIT_SHIFT));
  }

  /** A counted transfer out of the region; when it is time to stop, `target` is where the hart stands. */
  private countLeaving(): void {
    const { f } = this;
    this.countTransfer(() => {
      this.storeCounts();
      f.store(this.hart.get, this.target.get, L.PC);
      f.return(i32(RegionExit.event));
    });
  }

  private countTransfer(stop: () => void): void {
    const { f } = this;
    f.set(this.left, this.left.get.sub(1));
    f.if(this.left.get.leS(0), stop);
  }

  private storeCounts(): void {
    const { f } = this;
    const hart = this.hart.get;
    const branches = f.let(hart.load64(L.STOP_BRANCHES).sub(this.left.get));
    f.store(hart, this.retired.get.add(this.countedWith(branches)), L.INSTRET);
    f.store(hart, branches, L.BRANCHES);
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
      const decoded = f.let(entry.load(L.FETCH_TLB + L.TLB_ADDEND));
      const region = f.let(decoded.add(target.wrap().and(0xffe)).load16U(SLOTS_REGION));
      f.if(region, () => f.returnCall(this.other, hart, page, decoded, region));
      f.store(hart, target, L.PC);
      f.return(i32(RegionExit.untranslated));
    });
    f.store(hart, target, L.PC);
    f.result(i32(RegionExit.otherPage));
  }

  /** Of the registers that are loaded at a block those that are written. */
  private writtenOf(position: number): RegisterSet {
    return intersection(this.plan.loadedAt[position]!, this.plan.written);
  }

  /** The blocks that this one dominates, around it. */
  private tree(position: number, context: Context, behind: number): void {
    const stored = this.writtenOf(position);
    if (position > 0) this.load(this.plan.loadedAt[position]!);
    if (position === 0 || isEmpty(stored)) {
      this.loopOrBlock(position, context, behind);
      return;
    }
    // Only ways out from here on have these registers to store.
    const outer = this.sideExit;
    this.f.block((inner) => {
      this.sideExit = inner;
      this.loopOrBlock(position, context, behind);
      this.f.unreachable();
    });
    this.sideExit = outer;
    this.spill(stored);
    this.f.branch(outer);
  }

  private loopOrBlock(position: number, context: Context, behind: number): void {
    const { graph, f } = this;
    const merges = graph.dominated[position]!.filter((child) => isMerge(graph, child));
    if (!isLoopHeader(graph, position)) {
      this.within(position, merges, context, behind);
      return;
    }
    f.loop((label) => this.within(position, merges, [...context, { position, label }], 0));
  }

  /** The block, with its merges behind it, first in order innermost. */
  private within(position: number, merges: readonly number[], context: Context, behind: number): void {
    const last = merges.at(-1);
    if (last === undefined) {
      this.block(position, context, behind);
      return;
    }
    this.f.block((label) => {
      this.within(position, merges.slice(0, -1), [...context, { position: last, label }], behind);
    });
    this.tree(last, context, 0);
  }

  /** All of the places have labels: they are merges. */
  private dispatch(choice: Local<'i32'>, context: Context): void {
    const labels = this.graph.dispatched.map((position) => labelOf(position, context)!);
    this.f.branchTable(choice.get, labels, labels[0]!);
  }

  private block(position: number, context: Context, uncounted: number): void {
    const { f } = this;
    if (position === DISPATCHER && this.choice) {
      this.dispatch(this.choice, context);
      return;
    }
    const block = this.graph.blocks[position]!;
    let behind = uncounted;
    // A side exit can add no more.
    if (behind + block.instructions.length >= 2 ** DONE_BITS) {
      this.settle(behind);
      behind = 0;
    }
    const last = block.instructions.at(-1);
    const { ending } = block;
    const done = behind + block.instructions.length;
    const edge = (to: number, from: number | undefined, count: number) =>
      this.edge({ position, from, to, behind: count }, context);
    const end = {
      branch: (condition: I32) => {
        invariant(ending.kind === 'branch' && last, 'a branch ends its block');
        const { taken, next } = ending;
        if (taken === next) {
          // What follows is written once: a row of such branches would double it each time.
          f.drop(condition);
          edge(next, last.offset, done);
          return;
        }
        const isTaken = f.let(condition);
        const isAlike = [taken, next].every((to) => {
          const counts = this.perBranch > 0 && to <= last.offset;
          return !counts && !this.nests(position, this.graph.position.get(to), context);
        });
        if (isAlike) this.settle(done);
        const count = isAlike ? 0 : done;
        f.if(
          isTaken,
          () => edge(taken, last.offset, count),
          () => edge(next, last.offset, count),
        );
      },
      jump: () => {
        invariant(ending.kind === 'jump' && last, 'a jump ends its block');
        edge(ending.target, last.offset, done);
      },
      indirect: (target: I64) => {
        invariant(ending.kind === 'indirect', 'an indirect jump ends its block');
        const to = f.let(target);
        this.settle(done, true);
        for (const offset of ending.likely) {
          const next = this.graph.position.get(offset);
          if (next === undefined || this.graph.isCut(position, next)) continue;
          f.if(to.eq(this.pageAddress.get.add(offset)), () =>
            this.inside({ position, next, isCounted: true, behind: this.perBranch }, context),
          );
        }
        this.leave(position, to, this.leaveCounted);
      },
    };
    this.behind = behind;
    this.instructions(block, end);
    if (ending.kind === 'fall') edge(ending.next, undefined, done);
    else if (ending.kind === 'interpret') this.leaveInside(RegionExit.system, ending.offset, done);
  }

  private countedWith(branches: I64): I64 {
    return this.perBranch === 0 ? i64(0) : branches.mul(this.perBranch);
  }

  /**
   * Adds to the count what was executed since it was added to last; before a counted transfer less what that counts
   * for.
   */
  private settle(behind: number, isCounted = false): void {
    const more = isCounted ? behind - this.perBranch : behind;
    if (more !== 0) this.f.set(this.retired, this.retired.get.add(more));
  }

  /** Control comes to the other block from nowhere else, and it is written there. */
  private nests(position: number, next: number | undefined, context: Context): boolean {
    const { graph } = this;
    if (next === undefined || graph.isCut(position, next) || graph.isDispatched(position, next)) return false;
    return !isLoopHeader(graph, next) && labelOf(next, context) === undefined;
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

  private edge({ position, from, to, behind }: Edge, context: Context): void {
    const { graph } = this;
    const isCounted = from !== undefined && to <= from;
    const next = graph.position.get(to);
    if (next === undefined || graph.isCut(position, next)) {
      this.settle(behind, isCounted);
      const target = this.pageAddress.get.add(to);
      this.leave(position, target, isCounted ? this.leaveCounted : this.leaveUncounted);
      return;
    }
    this.inside({ position, next, isCounted, behind }, context);
  }

  /** To another block of the region. */
  private inside({ position, next, isCounted, behind }: InnerEdge, context: Context): void {
    const { f } = this;
    // What a side exit adds is not negative.
    const isCarried = this.nests(position, next, context) && !(isCounted && this.perBranch > 0);
    if (!isCarried) this.settle(behind, isCounted);
    const rest = isCarried ? behind : 0;
    const to = this.graph.blocks[next]!.start;
    if (isCounted) this.countTransfer(() => this.leaveInside(RegionExit.event, to, rest));
    if (!this.hasChecked(position, pageDistance(to))) this.checkPage(to, rest);
    if (this.graph.isDispatched(position, next)) {
      f.set(this.choice!, i32(this.graph.dispatched.indexOf(next)));
      f.branch(labelOf(DISPATCHER, context)!);
      return;
    }
    const known = labelOf(next, context);
    if (known) f.branch(known);
    else this.tree(next, context, rest);
  }

  /** Control was in a page before, whichever way it came to the block. */
  private hasChecked(position: number, distance: number): boolean {
    if (distance === 0) return true;
    const { blocks, immediateDominator } = this.graph;
    for (let at = position; at > 0; at = immediateDominator[at]!)
      if (pageDistance(blocks[at]!.start) === distance) return true;
    return false;
  }

  /** Leaves the region unless the page at offset `to` is the one that its code was made from. */
  private checkPage(to: number, behind: number): void {
    const { f } = this;
    const distance = pageDistance(to);
    const checked = this.checkedPages.get(distance)!;
    f.if(checked.get.eqz(), () => {
      const hart = this.hart.get;
      const page = f.let(this.pageAddress.get.add(distance * FRAME_BYTES));
      const entry = f.let(fetchEntry(hart, page));
      const tag = page.or(hart.load64(L.FETCH_CONTEXT));
      const isElsewhere = entry.load64(L.FETCH_TLB + L.TLB_READ_TAG).ne(tag);
      const link = this.decodedPage.get.load(SLOTS_LINKS + 4 * linkOf(distance));
      const isOther = entry.load(L.FETCH_TLB + L.TLB_ADDEND).ne(link);
      this.leaveInside(RegionExit.otherPage, to, behind, isElsewhere.or(isOther));
      f.set(checked, i32(1));
    });
  }

  private leave(position: number, target: I64, label: Label): void {
    this.f.set(this.target, target);
    this.spill(this.plan.dirtyAfter[position]!);
    this.f.branch(label);
  }
}
