import { SAVED_REGISTERS, SAVED_REGISTERS_START } from '../hart/saved-registers.ts';
import type { MachineCore } from '../machine/core.ts';
import { digestOf } from '../machine/plain-digest.ts';
import { FRAME_BYTES } from '../memory/layout.ts';
import type { WrittenPages } from '../memory/written-pages.ts';

/**
 * What a machine is at one execution point, and what it wrote since the digest before. Equal digests one after the
 * other from equal starts mean equal machines.
 */
export interface StateDigest {
  /** Of each hart the saved registers, in the order of REGISTER_NAMES. */
  readonly harts: readonly Uint8Array[];
  /** Hashes of the state of each device, and of what else there is. */
  readonly devices: ReadonlyMap<string, bigint>;
  readonly memory: PageHashes;
}

/** 32-bit hashes of pages, 0 for one that is all zeros. */
export interface PageHashes {
  /** Rising. */
  readonly pages: Uint32Array;
  readonly hashes: Uint32Array;
}

/**
 * Takes digests of a machine, which does not notice. Each costs about a microsecond for every page that was written
 * since the one before, beside some for the devices; and the guest's first write to each page costs it another one.
 */
export class DigestTaker {
  private readonly core: MachineCore;
  private watched: WrittenPages;

  /** The first digest is of what is written from now on. */
  constructor(core: MachineCore) {
    this.core = core;
    this.watched = core.ram.restartWatch(undefined);
  }

  /** How many pages were written since the last digest. */
  get writtenPages(): number {
    return this.watched.size;
  }

  take(): StateDigest {
    const { core, watched } = this;
    const digest = {
      harts: core.harts.map(({ address }) => registersOf(core, address)),
      devices: deviceHashes(core),
      memory: hashPages(core, watched),
    };
    this.watched = core.ram.restartWatch(watched);
    return digest;
  }

  /** Looks at writes no more. */
  stop(): void {
    this.core.ram.unwatch(this.watched);
  }
}

function registersOf({ engine }: MachineCore, hart: number): Uint8Array {
  const start = hart + SAVED_REGISTERS_START;
  return engine.arena.bytes.slice(start, start + 8 * SAVED_REGISTERS.length);
}

function deviceHashes(core: MachineCore): ReadonlyMap<string, bigint> {
  const devices = core.board.save() as { [name: string]: Parameters<typeof digestOf>[0] };
  const hashes = new Map(Object.entries(devices).map(([name, state]) => [name, digestOf(state)]));
  hashes.set('random numbers', digestOf(core.entropy.save()));
  hashes.set('wall clock', BigInt.asUintN(64, core.clock.epochNanoseconds()));
  return hashes;
}

function hashPages({ engine, ram }: MachineCore, watched: WrittenPages): PageHashes {
  const pages = new Uint32Array(watched.size);
  const hashes = new Uint32Array(watched.size);
  const { interpreter } = engine;
  let index = 0;
  for (const page of watched.pages()) {
    // A page that was forgotten is not here, and may be other than zeros.
    const frame = ram.loadedFrameOf(page);
    pages[index] = page;
    hashes[index] = frame === 0 ? 0 : Number(BigInt.asUintN(32, interpreter.hash(frame, FRAME_BYTES, BigInt(page))));
    index++;
  }
  return { pages, hashes };
}
