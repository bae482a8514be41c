import { quickCsr } from '../../hart/csr.ts';
import { LINKS } from '../../hart/decoded-slots.ts';
import type { Decoded } from '../../isa/decode.ts';
import { FRAME_BYTES } from '../../memory/layout.ts';
import { ALL_OPTIMIZATIONS, type Optimizations } from './options.ts';

/**
 * One instruction, by its byte offset from the start of the region's page. Negative ones and those from FRAME_BYTES on
 * lie in other pages.
 */
export interface Placed {
  readonly offset: number;
  readonly decoded: Decoded;
}

/** How a block ends. Targets are byte offsets from the start of the page; they may lie outside the region. */
export type Ending =
  | { readonly kind: 'branch'; readonly taken: number; readonly next: number }
  | { readonly kind: 'jump'; readonly target: number }
  /** `likely`: places in the region that it may well go to. */
  | { readonly kind: 'indirect'; readonly likely: readonly number[] }
  | { readonly kind: 'fall'; readonly next: number }
  /** The instruction at this offset is the interpreter's. */
  | { readonly kind: 'interpret'; readonly offset: number };

export interface Block {
  readonly start: number;
  /** With the branch or jump that ends it, if one does. */
  readonly instructions: readonly Placed[];
  readonly ending: Ending;
}

/** What is known of a page and of those around it. */
export interface PageCode {
  /** Whether the page that an offset lies in can be read: not asked of the region's own. */
  reaches(offset: number): boolean;
  /** Decodes the instruction at an offset; undefined where there is none or it crosses into the next page. */
  read(offset: number): Decoded | undefined;
  /** It was executed before. What never was stays out of regions: most of it never will be. */
  wasExecuted(offset: number): boolean;
  /** Offsets in the region's own page that the indirect jump at an offset there may well go to, the likeliest first. */
  indirectTargets(offset: number): readonly number[];
}

export const MAXIMUM_INSTRUCTIONS = 300;
/**
 * A callee in another page is followed up to this size: a larger one would be translated again for each of its callers.
 */
const CALLEE_MAXIMUM = 20;
/** Pages that a region may have code of, beside its own. */
const OTHER_PAGES_MAXIMUM = 4;
/** Comparisons in a row at a return, and at other indirect jumps, before it is left to the look-up. */
const RETURNS_MAXIMUM = 8;
const JUMPS_MAXIMUM = 8;
/**
 * The same in threaded code: an interpreter in the guest that has an indirect jump at the end of each of its
 * operations.
 */
const THREADED_JUMPS_MAXIMUM = 16;
/** So many indirect jumps make a region threaded code. */
const THREADED_MINIMUM = 4;
const RETURN_ADDRESS = 1;

/** How many pages an offset lies from the region's own. */
export function pageDistance(offset: number): number {
  return Math.floor(offset / FRAME_BYTES);
}

/** An offset from the start of some page, in the page that it lies in. */
export function pageOffset(offset: number): number {
  return offset & (FRAME_BYTES - 1);
}

/** Which of a decoded page's links stands for a page so far away. */
export function linkOf(distance: number): number {
  return distance & (LINKS - 1);
}

/** A jump that keeps the return address. */
function isCall({ instruction, rd }: Decoded): boolean {
  return instruction.flow === 'jump' && rd !== 0;
}

function isReturn({ instruction, rd, rs1 }: Decoded): boolean {
  return instruction.flow === 'indirect' && rd === 0 && rs1 === RETURN_ADDRESS;
}

const TRANSLATED_SYSTEM: ReadonlySet<string> = new Set(['fence.i', 'cbo.zero']);

/**
 * fence.i has nothing to do, cbo.zero is stores, and some CSRs are like registers; all other system instructions are
 * left to the interpreter.
 */
function isInterpreted(decoded: Decoded, optimizations: Optimizations): boolean {
  const { csr, float } = optimizations;
  const { instruction, immediate } = decoded;
  // Regions have the host's unit only.
  if (isFloat(decoded) && !(float && optimizations['host-float'])) return true;
  if (instruction.flow !== 'system' || TRANSLATED_SYSTEM.has(instruction.name)) return false;
  return instruction.extension !== 'Zicsr' || !csr || quickCsr(immediate) === undefined;
}

/** Of the floating-point extensions, loads and stores included. */
export function isFloat({ instruction: { extension } }: Decoded): boolean {
  return extension === 'F' || extension === 'D';
}

/** Loads, stores and atomics of all kinds. */
export function accessesMemory({ instruction: { name, syntax } }: Decoded): boolean {
  return syntax.includes('(rs1)') && name !== 'jalr';
}

/** Control goes to the next instruction. */
function goesOn({ instruction }: Decoded): boolean {
  return instruction.flow === 'straight' || instruction.flow === 'system';
}

/**
 * The blocks that control can reach from `start` by direct transfers, through calls and returns too, up to
 * MAXIMUM_INSTRUCTIONS, in its page and in some others. Edges to what is not among them leave the region. Empty when
 * not even the first instruction can be translated.
 */
export function findBlocks(code: PageCode, start: number, optimizations: Optimizations = ALL_OPTIMIZATIONS): Block[] {
  const blocks = new RegionScan(code, optimizations, JUMPS_MAXIMUM).blocksFrom(start);
  if (!isThreaded(blocks)) return blocks;
  return new RegionScan(code, optimizations, THREADED_JUMPS_MAXIMUM).blocksFrom(start);
}

class RegionScan {
  private readonly code: PageCode;
  private readonly leaders = new Set<number>();
  private readonly seen = new Set<number>();
  /** Behind calls whose callee is in the region: the callee. */
  private readonly returnSites = new Map<number, number>();
  private readonly otherPages = new Set<number>();
  private readonly smallCallees = new Map<number, boolean>();
  private pending: number[] = [];

  private readonly optimizations: Optimizations;
  private readonly jumpsMaximum: number;

  constructor(code: PageCode, optimizations: Optimizations, jumpsMaximum: number) {
    this.code = code;
    this.optimizations = optimizations;
    this.jumpsMaximum = jumpsMaximum;
  }

  blocksFrom(start: number): Block[] {
    this.pending = [start];
    for (let leader = this.pending.shift(); leader !== undefined; leader = this.pending.shift()) {
      if (this.leaders.has(leader) || !this.mayHave(leader)) continue;
      if (leader !== start && !this.optimizations.blocks) break;
      if (leader !== start && !this.seen.has(leader) && !this.isWorthwhile(leader)) continue;
      this.leaders.add(leader);
      if (pageDistance(leader) !== 0) this.otherPages.add(pageDistance(leader));
      this.scanFrom(leader);
    }
    if (this.seen.size === 0) return [];
    return [...this.leaders].sort((a, b) => a - b).map((leader) => this.blockAt(leader));
  }

  private isWorthwhile(leader: number): boolean {
    const ran = !this.optimizations['skip-cold'] || this.code.wasExecuted(leader);
    return (
      ran && this.seen.size < MAXIMUM_INSTRUCTIONS && (pageDistance(leader) === 0 || this.read(leader) !== undefined)
    );
  }

  /** Undefined: the interpreter's. */
  private read(offset: number): Decoded | undefined {
    const decoded = this.code.read(offset);
    return decoded && !isInterpreted(decoded, this.optimizations) ? decoded : undefined;
  }

  /** The page of an offset is the region's own, or one that it has or may have code of. */
  private mayHave(offset: number): boolean {
    const distance = pageDistance(offset);
    if (distance === 0 || this.otherPages.has(distance)) return true;
    const hasRoom = this.optimizations.pages && this.otherPages.size < OTHER_PAGES_MAXIMUM;
    const isLinkFree = ![...this.otherPages].some((other) => linkOf(other) === linkOf(distance));
    return hasRoom && isLinkFree && this.code.reaches(offset);
  }

  private scanFrom(leader: number): void {
    const page = pageDistance(leader);
    for (let offset = leader; !this.seen.has(offset); ) {
      if (pageDistance(offset) !== page) {
        this.pending.push(offset);
        return;
      }
      const decoded = this.read(offset);
      if (!decoded) return;
      this.seen.add(offset);
      const next = offset + decoded.length;
      const { flow } = decoded.instruction;
      if (flow === 'branch') this.pending.push(next, offset + decoded.immediate);
      if (flow === 'jump') this.noteJump(decoded, offset, next);
      if (flow === 'indirect' && decoded.rd === 0 && !isReturn(decoded)) this.pending.push(...this.jumpTargets(offset));
      if (!goesOn(decoded) || this.seen.size >= MAXIMUM_INSTRUCTIONS) return;
      offset = next;
      if (this.seen.has(offset)) this.pending.push(offset); // runs into code that is known: a block starts there
    }
  }

  private noteJump(decoded: Decoded, offset: number, next: number): void {
    const target = offset + decoded.immediate;
    if (!isCall(decoded)) {
      this.pending.push(target);
      return;
    }
    const isNear = pageDistance(target) === pageDistance(offset);
    if (!this.optimizations.calls || !(isNear || (this.mayHave(target) && this.isSmall(target)))) return;
    this.returnSites.set(next, target);
    this.pending.push(target, next);
  }

  private isSmall(callee: number): boolean {
    const known = this.smallCallees.get(callee) ?? this.size(callee) <= CALLEE_MAXIMUM;
    this.smallCallees.set(callee, known);
    return known;
  }

  /**
   * Instructions that a callee executes itself, as far as that is known; no more than CALLEE_MAXIMUM + 1 are counted.
   */
  private size(callee: number): number {
    const seen = new Set<number>();
    const pending = [callee];
    for (let leader = pending.pop(); leader !== undefined; leader = pending.pop()) {
      if (!this.mayHave(leader) || !this.code.wasExecuted(leader)) continue;
      for (let offset = leader; pageDistance(offset) === pageDistance(leader) && !seen.has(offset); ) {
        const decoded = this.read(offset);
        if (!decoded) break;
        if (seen.add(offset).size > CALLEE_MAXIMUM) return seen.size;
        const { flow } = decoded.instruction;
        if (flow === 'branch' || (flow === 'jump' && !isCall(decoded))) pending.push(offset + decoded.immediate);
        if (flow === 'indirect' || (flow === 'jump' && !isCall(decoded))) break;
        offset += decoded.length;
      }
    }
    return seen.size;
  }

  /** Of an indirect jump. What other pages' jumps go to is not looked for. */
  private jumpTargets(from: number): number[] {
    if (!this.optimizations['jump-tables'] || pageDistance(from) !== 0) return [];
    return this.code.indirectTargets(from).slice(0, this.jumpsMaximum);
  }

  private blockAt(start: number): Block {
    const instructions: Placed[] = [];
    for (let offset = start; ; ) {
      const cut = offset !== start && this.leaders.has(offset);
      const isOutside = pageDistance(offset) !== pageDistance(start);
      if (isOutside || cut || instructions.length >= MAXIMUM_INSTRUCTIONS) {
        return { start, instructions, ending: { kind: 'fall', next: offset } };
      }
      const decoded = this.read(offset);
      if (!decoded) return { start, instructions, ending: { kind: 'interpret', offset } };
      instructions.push({ offset, decoded });
      const next = offset + decoded.length;
      const ending = this.endingOf(decoded, offset, next);
      if (ending) return { start, instructions, ending };
      offset = next;
    }
  }

  private endingOf(decoded: Decoded, offset: number, next: number): Ending | undefined {
    switch (decoded.instruction.flow) {
      case 'branch':
        return { kind: 'branch', taken: offset + decoded.immediate, next };
      case 'jump':
        return { kind: 'jump', target: offset + decoded.immediate };
      case 'indirect':
        return { kind: 'indirect', likely: this.likelyTargets(decoded, offset) };
      default:
        return undefined;
    }
  }

  private likelyTargets(decoded: Decoded, from: number): number[] {
    const known = (offset: number) => this.leaders.has(offset);
    if (isReturn(decoded)) return this.returnSitesOf(pageDistance(from)).filter(known).slice(0, RETURNS_MAXIMUM);
    return decoded.rd === 0 ? this.jumpTargets(from).filter(known) : [];
  }

  /** Behind the calls of what lies in a page. */
  private returnSitesOf(page: number): number[] {
    return [...this.returnSites].filter(([, callee]) => pageDistance(callee) === page).map(([site]) => site);
  }
}

/** It ends with an indirect jump that is no return, to one of several likely places. */
function isJumpTable({ ending, instructions }: Block): boolean {
  return ending.kind === 'indirect' && ending.likely.length > 1 && !isReturn(instructions.at(-1)!.decoded);
}

/** Many of the blocks end with jumps that go to one of several places. */
export function isThreaded(blocks: readonly Block[]): boolean {
  return blocks.filter(isJumpTable).length >= THREADED_MINIMUM;
}

/** Blocks that control can go to from the end of this one, if they are in the region. */
export function successors({ ending }: Block): readonly number[] {
  if (ending.kind === 'branch') return [ending.taken, ending.next];
  if (ending.kind === 'jump') return [ending.target];
  if (ending.kind === 'indirect') return ending.likely;
  return ending.kind === 'fall' ? [ending.next] : [];
}
