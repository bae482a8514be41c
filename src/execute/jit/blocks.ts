import { quickCsr } from '../../hart/csr.ts';
import type { Decoded } from '../../isa/decode.ts';
import { FRAME_BYTES } from '../../memory/layout.ts';
import { ALL_OPTIMIZATIONS, type Optimizations } from './options.ts';

/** One instruction of a page, by its byte offset there. */
export interface Placed {
  readonly offset: number;
  readonly decoded: Decoded;
}

/** How a block ends. Targets are byte offsets from the start of the page; they may lie outside it. */
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

/** What is known of a page. */
export interface PageCode {
  /** Decodes the instruction at an offset; undefined where there is none or it crosses into the next page. */
  read(offset: number): Decoded | undefined;
  /** It was executed before. What never was stays out of regions: most of it never will be. */
  wasExecuted(offset: number): boolean;
  /** Offsets that indirect jumps went to, hottest first. */
  indirectTargets(): readonly number[];
}

export const MAXIMUM_INSTRUCTIONS = 300;
/** Comparisons in a row at an indirect jump before it is left to the look-up. */
const LIKELY_MAXIMUM = 8;
const RETURN_ADDRESS = 1;

function isInPage(offset: number): boolean {
  return offset >= 0 && offset < FRAME_BYTES;
}

/** A jump that keeps the return address. */
function isCall({ instruction, rd }: Decoded): boolean {
  return instruction.flow === 'jump' && rd !== 0;
}

function isReturn({ instruction, rd, rs1 }: Decoded): boolean {
  return instruction.flow === 'indirect' && rd === 0 && rs1 === RETURN_ADDRESS;
}

const TRANSLATED_SYSTEM: ReadonlySet<string> = new Set(['fence.i', 'cbo.zero']);

/** fence.i has nothing to do, cbo.zero is stores, and some CSRs are like registers; all other system instructions are left to the interpreter. */
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

/** Control goes to the next instruction. */
function goesOn({ instruction }: Decoded): boolean {
  return instruction.flow === 'straight' || instruction.flow === 'system';
}

/**
 * The blocks that control can reach from `start` without leaving the page, through calls and returns too, up to
 * MAXIMUM_INSTRUCTIONS. Edges to what is not among them leave the region. Empty when not even the first instruction can be
 * translated.
 */
export function findBlocks(code: PageCode, start: number, optimizations: Optimizations = ALL_OPTIMIZATIONS): Block[] {
  return new RegionScan(code, optimizations).blocksFrom(start);
}

class RegionScan {
  private readonly code: PageCode;
  private readonly leaders = new Set<number>();
  private readonly seen = new Set<number>();
  /** Behind calls whose callee is in the region. */
  private readonly returnSites = new Set<number>();
  private pending: number[] = [];

  private readonly optimizations: Optimizations;

  constructor(code: PageCode, optimizations: Optimizations) {
    this.code = code;
    this.optimizations = optimizations;
  }

  blocksFrom(start: number): Block[] {
    this.pending = [start];
    for (let leader = this.pending.shift(); leader !== undefined; leader = this.pending.shift()) {
      if (!isInPage(leader) || this.leaders.has(leader)) continue;
      if (leader !== start && !this.optimizations.blocks) break;
      if (leader !== start && !this.seen.has(leader) && !this.isWorthwhile(leader)) continue;
      this.leaders.add(leader);
      this.scanFrom(leader);
    }
    if (this.seen.size === 0) return [];
    return [...this.leaders].sort((a, b) => a - b).map((leader) => this.blockAt(leader));
  }

  private isWorthwhile(leader: number): boolean {
    const ran = !this.optimizations['skip-cold'] || this.code.wasExecuted(leader);
    return ran && this.seen.size < MAXIMUM_INSTRUCTIONS;
  }

  private scanFrom(leader: number): void {
    for (let offset = leader; isInPage(offset) && !this.seen.has(offset); ) {
      const decoded = this.code.read(offset);
      if (!decoded || isInterpreted(decoded, this.optimizations)) return;
      this.seen.add(offset);
      const next = offset + decoded.length;
      const { flow } = decoded.instruction;
      if (flow === 'branch') this.pending.push(next, offset + decoded.immediate);
      if (flow === 'jump') this.noteJump(decoded, offset, next);
      if (flow === 'indirect' && decoded.rd === 0 && !isReturn(decoded)) this.pending.push(...this.jumpTargets());
      if (!goesOn(decoded) || this.seen.size >= MAXIMUM_INSTRUCTIONS) return;
      offset = next;
      if (this.seen.has(offset)) this.pending.push(offset); // runs into code that is known: a block starts there
    }
  }

  private noteJump(decoded: Decoded, offset: number, next: number): void {
    const target = offset + decoded.immediate;
    if (isCall(decoded) && !this.optimizations.calls) return;
    this.pending.push(target);
    if (isCall(decoded) && isInPage(target)) {
      this.returnSites.add(next);
      this.pending.push(next);
    }
  }

  private jumpTargets(): number[] {
    return this.optimizations['jump-tables'] ? this.code.indirectTargets().slice(0, LIKELY_MAXIMUM) : [];
  }

  private blockAt(start: number): Block {
    const instructions: Placed[] = [];
    for (let offset = start; ; ) {
      const cut = offset !== start && this.leaders.has(offset);
      if (!isInPage(offset) || cut || instructions.length >= MAXIMUM_INSTRUCTIONS) {
        return { start, instructions, ending: { kind: 'fall', next: offset } };
      }
      const decoded = this.code.read(offset);
      if (!decoded || isInterpreted(decoded, this.optimizations))
        return { start, instructions, ending: { kind: 'interpret', offset } };
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
        return { kind: 'indirect', likely: this.likelyTargets(decoded) };
      default:
        return undefined;
    }
  }

  private likelyTargets(decoded: Decoded): number[] {
    const known = (offset: number) => this.leaders.has(offset);
    if (isReturn(decoded)) return [...this.returnSites].filter(known).slice(0, LIKELY_MAXIMUM);
    return decoded.rd === 0 ? this.jumpTargets().filter(known) : [];
  }
}

/** Blocks that control can go to from the end of this one, if they are in the region. */
export function successors({ ending }: Block): readonly number[] {
  if (ending.kind === 'branch') return [ending.taken, ending.next];
  if (ending.kind === 'jump') return [ending.target];
  if (ending.kind === 'indirect') return ending.likely;
  return ending.kind === 'fall' ? [ending.next] : [];
}
