import type { Block } from './blocks.ts';
import { Dominance } from './dominance.ts';
import { type Graph, isLoopHeader, isMerge } from './graph.ts';
import {
  type BlockUsage,
  blockUsage,
  common,
  isEmpty,
  isSame,
  members,
  NONE,
  type RegisterSet,
  union,
  usage,
  without,
} from './registers.ts';

/**
 * Where guest registers are in locals. A *scope* is a register and a block: in that block and all that it dominates the register is in
 * its local; elsewhere it is in the hart. It is loaded where the scope begins, unless it is written there first, and stored where control goes
 * out of the scope, if it may have been written in it. A register can have several scopes, none within another.
 *
 * A scope begins before all loops around it. Two are made one where the register's value goes from one to the other; a temporary
 * that is written anew each time has a scope in each block that uses it, is never loaded, and burdens no other way.
 */
export interface Opening {
  readonly load: RegisterSet;
  /** Of the registers whose scope begins: those that are written in it, and so have to be stored at side exits. */
  readonly written: RegisterSet;
}

/** By place among a block's instructions; that of the block's ending is behind the last one that is no transfer. */
export type Openings = ReadonlyMap<number, Opening>;

export interface RegisterPlan {
  /** Registers that have a local. */
  readonly used: RegisterSet;
  /** By block: what begins with it, and is there in the merges behind it too. */
  readonly around: readonly Opening[];
  /** By block: what begins before an instruction, and what behind one that writes it. */
  readonly before: readonly Openings[];
  readonly behind: readonly Openings[];
  /** By block: what may have been written at its end and is not stored yet. */
  readonly dirtyAfter: readonly RegisterSet[];
  /** What is not in locals any more, or is there anew, when control goes from one block to another. */
  left(from: number, to: number): RegisterSet;
  /** What has to be loaded when control comes back from a call, in the block behind it. */
  returned(from: number, to: number): RegisterSet;
}

/** `lazy: false`: all registers are loaded at the region's entry, and stay in locals until it is left. */
export function planRegisters(graph: Graph, lazy = true): RegisterPlan {
  return new ScopePlanner(graph, lazy).plan();
}

/** One number for each register: x registers, then f registers. */
const F = 32;

function setOf(register: number): RegisterSet {
  return register < F ? { x: 1 << register, f: 0 } : { x: 0, f: 1 << (register - F) };
}

function numbersOf({ x, f }: RegisterSet): number[] {
  return [...members(x), ...members(f).map((i) => F + i)];
}

class ScopePlanner {
  private readonly graph: Graph;
  private readonly lazy: boolean;
  private readonly dominance: Dominance;
  private readonly own: readonly BlockUsage[];
  private readonly used: RegisterSet;
  private readonly edges: readonly (readonly [from: number, to: number])[];
  /** By block: what some block from there on reads before it is written. */
  private readonly live: readonly RegisterSet[];
  /** By register, by block: the block where the scope begins that it lies in. */
  private readonly scopes: (number | undefined)[][] = [];
  private readonly dirtyBefore: RegisterSet[];
  private readonly dirtyAfter: RegisterSet[];

  constructor(graph: Graph, lazy: boolean) {
    this.graph = graph;
    this.lazy = lazy;
    this.dominance = new Dominance(graph);
    this.own = graph.blocks.map(blockUsage);
    this.used = this.own.reduce((set, { used }) => union(set, used), NONE);
    this.edges = graph.predecessors.flatMap((all, to) => all.map((from) => [from, to] as const));
    this.live = this.liveBefore();
    this.dirtyBefore = graph.blocks.map(() => NONE);
    this.dirtyAfter = this.own.map(({ written }) => written);
  }

  plan(): RegisterPlan {
    for (const register of numbersOf(this.used)) this.scopes[register] = this.scopesOf(register);
    this.spreadDirt();
    const openings = this.graph.blocks.map((_, block) => this.openingsOf(block));
    return {
      used: this.used,
      around: openings.map(({ around }) => around),
      before: openings.map(({ before }) => before),
      behind: openings.map(({ behind }) => behind),
      dirtyAfter: this.dirtyAfter,
      left: (from, to) => this.left(from, to),
      returned: (from, to) => this.returned(from, to),
    };
  }

  private liveBefore(): RegisterSet[] {
    const live = this.own.map(({ read }) => read);
    for (let changed = true; changed; ) {
      changed = false;
      for (let i = this.edges.length - 1; i >= 0; i--) {
        const [from, to] = this.edges[i]!;
        const next = union(live[from]!, without(live[to]!, this.own[from]!.written));
        if (isSame(next, live[from]!)) continue;
        live[from] = next;
        changed = true;
      }
    }
    return live;
  }

  private scopesOf(register: number): (number | undefined)[] {
    const set = setOf(register);
    const has = (registers: RegisterSet) => !isEmpty(common(registers, set));
    const using = this.own.flatMap(({ used }, block) => (has(used) ? [block] : []));
    let starts = new Set(this.lazy ? using.map((block) => this.dominance.beforeLoops(block)) : [0]);
    for (;;) {
      const scopes = this.blocksWithin(starts);
      const joined = this.edges.find(
        ([from, to]) =>
          scopes[from] !== undefined && scopes[to] !== scopes[from] && !this.isCall(from) && has(this.live[to]!),
      );
      if (!joined) return scopes;
      const [from, to] = joined;
      const start = this.dominance.common(scopes[from]!, to);
      starts = new Set([...starts, this.dominance.beforeLoops(start)]);
    }
  }

  /** By block: which of these dominates it, the uppermost. */
  private blocksWithin(starts: ReadonlySet<number>): (number | undefined)[] {
    const rising = [...starts].sort((a, b) => a - b);
    return this.graph.blocks.map((_, block) => rising.find((start) => this.dominance.dominates(start, block)));
  }

  private isWrittenIn(register: number, start: number): boolean {
    const set = setOf(register);
    return this.own.some((own, i) => this.scopes[register]![i] === start && !isEmpty(common(own.written, set)));
  }

  /** Nothing stays in locals over a call: the callee has the registers. */
  private isCall(block: number): boolean {
    return this.graph.blocks[block]!.ending.kind === 'call';
  }

  private returned(from: number, to: number): RegisterSet {
    let set = NONE;
    for (const register of numbersOf(this.used)) {
      const scopes = this.scopes[register]!;
      const start = scopes[to];
      // A scope that begins with the block is loaded there, but for a loop that is entered again.
      if (start === undefined || (start === to && to > from)) continue;
      const alive = !isEmpty(common(this.live[to]!, setOf(register)));
      if (alive || this.isWrittenIn(register, start)) set = union(set, setOf(register));
    }
    return set;
  }

  private left(from: number, to: number): RegisterSet {
    if (this.isCall(from)) return this.used;
    let set = NONE;
    for (const register of numbersOf(this.used)) {
      const scopes = this.scopes[register]!;
      if (scopes[from] !== undefined && scopes[from] !== scopes[to]) set = union(set, setOf(register));
    }
    return set;
  }

  private spreadDirt(): void {
    const kept = this.edges.map(([from, to]) => without(this.used, this.left(from, to)));
    for (let changed = true; changed; ) {
      changed = false;
      this.edges.forEach(([from, to], i) => {
        const next = union(this.dirtyBefore[to]!, common(this.dirtyAfter[from]!, kept[i]!));
        if (isSame(next, this.dirtyBefore[to]!)) return;
        this.dirtyBefore[to] = next;
        this.dirtyAfter[to] = union(next, this.own[to]!.written);
        changed = true;
      });
    }
  }

  private openingsOf(block: number): { around: Opening; before: Openings; behind: Openings } {
    const { instructions } = this.graph.blocks[block]!;
    const around = new OpeningBuilder();
    const before = new Map<number, OpeningBuilder>();
    const behind = new Map<number, OpeningBuilder>();
    const at = (places: Map<number, OpeningBuilder>, index: number): OpeningBuilder => {
      const builder = places.get(index) ?? new OpeningBuilder();
      places.set(index, builder);
      return builder;
    };
    for (const register of numbersOf(this.used)) {
      const scopes = this.scopes[register]!;
      if (scopes[block] !== block) continue;
      const set = setOf(register);
      const written = this.isWrittenIn(register, block);
      const first = firstUse(this.graph.blocks[block]!, set);
      if (this.isAround(block, set)) {
        const safe = first.writes && instructions.slice(0, first.index).every(cannotLeave);
        around.add(set, written, !(safe && cannotLeave(instructions[first.index]!)));
      } else if (!first.writes) at(before, first.index).add(set, written, true);
      else if (isTransfer(instructions[first.index]!)) at(before, first.index).add(set, written, false);
      else at(behind, first.index).add(set, written, false);
    }
    return { around, before, behind };
  }

  /** The scope has to be open in merges behind the block, or before the loop that the block begins. */
  private isAround(block: number, set: RegisterSet): boolean {
    const { graph, own, dirtyBefore, dominance } = this;
    if (!this.lazy || isLoopHeader(graph, block)) return true;
    return graph.dominated[block]!.some(
      (merge) =>
        isMerge(graph, merge) &&
        graph.blocks.some(
          (_, i) => dominance.dominates(merge, i) && !isEmpty(common(union(own[i]!.used, dirtyBefore[i]!), set)),
        ),
    );
  }
}

class OpeningBuilder implements Opening {
  load = NONE;
  written = NONE;

  add(set: RegisterSet, written: boolean, load: boolean): void {
    if (load) this.load = union(this.load, set);
    if (written) this.written = union(this.written, set);
  }
}

type Instruction = Block['instructions'][number];

function isTransfer({ decoded }: Instruction): boolean {
  return ['branch', 'jump', 'indirect'].includes(decoded.instruction.flow);
}

/** A pure instruction has no side exit, a transfer none before it has written its register. */
function cannotLeave(placed: Instruction): boolean {
  return placed.decoded.instruction.pure || isTransfer(placed);
}

/** The first instruction of a block that uses a register, and whether it writes it without reading it; the place of the ending when none does. */
function firstUse({ instructions }: Block, set: RegisterSet): { index: number; writes: boolean } {
  for (const [index, { decoded }] of instructions.entries()) {
    const { read, written } = usage(decoded);
    if (!isEmpty(common(read, set))) return { index, writes: false };
    if (!isEmpty(common(written, set))) return { index, writes: true };
  }
  const last = instructions.at(-1);
  return { index: instructions.length - (last && isTransfer(last) ? 1 : 0), writes: false };
}
