/** Keeps account of what lies where in RAM before anything is written: no two pieces overlap, none leaves RAM. */
import { GodwitError } from '../../common/errors.ts';
import { RAM_BASE } from './memory-map.ts';

const MIB = 1024 * 1024;
/** What WebAssembly can address. */
const MEMORY_MAXIMUM_MIB = 4096;

const NOT_THAT_MUCH = 'No machine has that much: the file may be damaged.';

/** One piece of what is loaded. */
export interface LoadedPiece {
  /** For messages, such as "the kernel". */
  readonly what: string;
  /** Guest-physical. */
  readonly address: bigint;
  readonly bytes: Uint8Array;
  /** What `bytes` does not fill is zeroed. */
  readonly sizeBytes: number;
}

interface Claim {
  readonly what: string;
  readonly start: number;
  readonly end: number;
  /** Placed by the plan; else the piece has a place of its own. */
  readonly high: boolean;
}

export class RamPlan {
  private readonly laterBytes: number;
  private readonly end: number;
  private readonly memoryBytes: number;
  /** By rising address. */
  private readonly claims: Claim[] = [];

  /** `laterBytes`: what will still be placed by {@link placeHigh}; hints on the memory needed count it in. */
  constructor(memoryBytes: number, laterBytes: number) {
    this.laterBytes = laterBytes;
    this.memoryBytes = memoryBytes;
    this.end = RAM_BASE + memoryBytes;
  }

  /** Takes a fixed place. Whether it lies in RAM is judged by {@link requireFixedFit}, when all are known. */
  claim(what: string, address: bigint, sizeBytes: bigint): void {
    if (address < BigInt(RAM_BASE) || address > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new GodwitError(
        'unsupported',
        `${capital(what)} asks to be loaded at ${hex(address)}, where there is no RAM.`,
        {
          hint: `RAM begins at ${hex(BigInt(RAM_BASE))}.`,
        },
      );
    }
    const end = address + sizeBytes;
    if (end > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new GodwitError('limit', `${capital(what)} needs memory up to ${hex(end)}.`, { hint: NOT_THAT_MUCH });
    }
    const claim = { what, start: Number(address), end: Number(end), high: false };
    const other = this.claims.find((candidate) => candidate.start < claim.end && claim.start < candidate.end);
    if (other !== undefined) {
      throw new GodwitError(
        'unsupported',
        `${capital(what)} and ${other.what} want the same memory at ${hex(address)}.`,
      );
    }
    this.insert(claim);
  }

  /** Throws GodwitError('limit') when a claimed place ends behind RAM. */
  requireFixedFit(): void {
    const last = this.claims.at(-1);
    if (last === undefined || last.end <= this.end) return;
    throw this.tooSmall(`${capital(last.what)} needs memory up to ${hex(BigInt(last.end))}`, last.end - RAM_BASE);
  }

  /**
   * The highest free place below `below`, above all that has a place of its own: firmware and kernels use memory behind
   * what their files fill, and Linux may be blind to what lies before it. undefined when there is none.
   */
  findHigh(sizeBytes: number, alignment: number, below = this.end): number | undefined {
    let top = Math.min(below, this.end);
    for (const claim of [...this.claims].reverse()) {
      const start = alignDown(top - sizeBytes, alignment);
      if (start >= claim.end) return start;
      if (!claim.high) return undefined;
      top = Math.min(top, claim.start);
    }
    const start = alignDown(top - sizeBytes, alignment);
    return start >= RAM_BASE ? start : undefined;
  }

  /** Takes the highest free place below `below`. */
  placeHigh(what: string, sizeBytes: number, alignment: number, below?: number): number {
    const start = this.findHigh(sizeBytes, alignment, below);
    if (start === undefined) throw this.noRoom(what, sizeBytes);
    this.insert({ what, start, end: start + sizeBytes, high: true });
    return start;
  }

  private noRoom(what: string, sizeBytes: number): GodwitError {
    const lowEnd = this.claims.reduce((end, claim) => (claim.high ? end : Math.max(end, claim.end)), RAM_BASE);
    return this.tooSmall(`There is no room in memory for ${what} (${mebibytes(sizeBytes)} MiB)`, lowEnd - RAM_BASE);
  }

  /** `fixedBytes`: memory up to the end of the pieces that have a place of their own. */
  private tooSmall(why: string, fixedBytes: number): GodwitError {
    const needed = Math.ceil((fixedBytes + this.laterBytes) / MIB);
    return new GodwitError('limit', `${why}; the machine has ${mebibytes(this.memoryBytes)} MiB.`, {
      hint: needed > MEMORY_MAXIMUM_MIB ? NOT_THAT_MUCH : `Give it at least ${needed} MiB.`,
    });
  }

  private insert(claim: Claim): void {
    this.claims.push(claim);
    this.claims.sort((a, b) => a.start - b.start);
  }
}

export function alignDown(value: number, alignment: number): number {
  return Math.floor(value / alignment) * alignment;
}

export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

function mebibytes(sizeBytes: number): string {
  return (sizeBytes / MIB).toFixed(sizeBytes % MIB === 0 ? 0 : 1);
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
