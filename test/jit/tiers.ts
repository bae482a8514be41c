import { TranslationCache } from '../../src/execute/jit/cache.ts';
import type { RegionCompiler } from '../../src/execute/jit/compiler.ts';
import * as L from '../../src/hart/layout.ts';
import { MachineCore } from '../../src/machine/core.ts';
import type { TranslationOptions } from '../../src/machine/engine.ts';
import type { ExecutionPoint } from '../../src/machine/execution-point.ts';
import type { Outcome } from '../../src/machine/outcome.ts';
import { type Image, RAM } from '../differential/image.ts';

const MEMORY_BYTES = 8 * 1024 ** 2;

/** Where a machine stands and all that its guest could notice. */
export interface Snapshot {
  readonly point: ExecutionPoint;
  readonly instructions: bigint;
  readonly digest: bigint;
}

export interface TierOptions {
  readonly translation: Partial<TranslationOptions>;
  readonly compiler?: RegionCompiler;
}

/** The engine translates what is left after so many runs. */
const PATIENCE_RUNS = 4;

/** One machine that runs programs one way. */
export class TierMachine {
  readonly core: MachineCore;
  private readonly loaded: { image: Image };

  private constructor(core: MachineCore, loaded: { image: Image }) {
    this.core = core;
    this.loaded = loaded;
  }

  static async create(options: TierOptions): Promise<TierMachine> {
    const loaded: { image: Image } = { image: { segments: [], resultAddress: RAM, resultBytes: 0 } };
    const core = await MachineCore.create({
      memoryBytes: MEMORY_BYTES,
      seed: new Uint8Array(32),
      // A cache of its own: what others translated need not be what it would.
      cache: new TranslationCache(),
      ...options,
      load: (machine) => {
        for (const { address, data } of loaded.image.segments) machine.ram.copyIn(BigInt(address), data);
        machine.current.pc = BigInt(RAM);
      },
    });
    return new TierMachine(core, loaded);
  }

  /** A fresh machine with this program. */
  load(image: Image): void {
    const { core } = this;
    this.loaded.image = image;
    // A reset of a machine lets these go on.
    for (const count of [L.BRANCHES, L.INSTRET, L.TIME_BASE_TICKS, L.TIME_BASE_BRANCHES]) core.current.put(count, 0n);
    core.reset();
  }

  /** Whatever is hot is translated now. */
  translateHot(): void {
    for (let i = 0; i < PATIENCE_RUNS; i++) this.core.engine.translate();
  }

  get snapshot(): Snapshot {
    const { core } = this;
    return { point: core.point, instructions: core.instructionsRetired, digest: core.digest() };
  }

  result({ resultAddress, resultBytes }: Image): Uint8Array {
    return this.core.ram.copyOut(BigInt(resultAddress), resultBytes)!;
  }

  /** To an execution point with the stepping loop alone, one instruction at a time or up to the next transfer. */
  stepTo({ branches, pc }: ExecutionPoint): Outcome {
    const { core } = this;
    while (core.current.branches < branches || core.current.pc !== pc) {
      const outcome = core.step();
      if (outcome.kind !== 'slice') return outcome;
      if (core.current.branches > branches) return outcome;
    }
    return { kind: 'slice' };
  }
}
