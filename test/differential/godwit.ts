import * as L from '../../src/hart/layout.ts';
import { MachineCore } from '../../src/machine/core.ts';
import type { TranslationOptions } from '../../src/machine/engine.ts';
import { tierUnderTest } from '../support/tiers.ts';
import { DONE, DONE_MAGIC, type Image, MEMORY_BYTES, RAM } from './image.ts';

/** Which of the ways to run an instruction is tested. */
export interface GodwitOptions {
  readonly floatFastPaths: boolean;
  /** One instruction at a time with the stepping interpreter. */
  readonly stepping: boolean;
  readonly translation?: Partial<TranslationOptions>;
  /** Stop and go on after so many counted transfers. */
  readonly sliceBranches?: bigint;
}

export const USUAL: GodwitOptions = { floatFastPaths: true, stepping: false };
/** Everything is translated before it runs: each new place costs a module, so there are fewer cases. */
export const TRANSLATED: GodwitOptions = { ...USUAL, translation: { enabled: true, threshold: 1 } };

/** A program that loops would need more than this. */
const BRANCH_LIMIT = 20_000_000n;

/** One machine, used for one program after another. */
export class Godwit {
  private readonly core: MachineCore;
  private readonly options: GodwitOptions;
  private static image: Image = { segments: [], resultAddress: RAM, resultBytes: 0 };

  private constructor(core: MachineCore, options: GodwitOptions) {
    this.core = core;
    this.options = options;
  }

  static async create(options: GodwitOptions = USUAL): Promise<Godwit> {
    const core = await MachineCore.create({
      memoryBytes: MEMORY_BYTES,
      seed: new Uint8Array(32),
      floatFastPaths: options.floatFastPaths,
      translation: options.translation ?? tierUnderTest(),
      load: (machine) => {
        for (const { address, data } of Godwit.image.segments) machine.ram.copyIn(BigInt(address), data);
        machine.current.pc = BigInt(RAM);
      },
    });
    return new Godwit(core, options);
  }

  run(image: Image): Uint8Array {
    const { core } = this;
    Godwit.image = image;
    core.reset();
    const limit = core.current.branches + BRANCH_LIMIT;
    let outcome = this.advance(limit);
    while (outcome.kind === 'slice' && core.current.branches < limit) outcome = this.advance(limit);
    if (outcome.kind !== 'finished' || core.ram.readU64(BigInt(DONE)) !== DONE_MAGIC) {
      const where = `pc ${core.current.pc.toString(16)}, record ${core.current.unsigned(L.MSCRATCH).toString(16)}`;
      throw new Error(`godwit did not finish: ${outcome.kind}, ${where}`);
    }
    return core.ram.copyOut(BigInt(image.resultAddress), image.resultBytes)!;
  }

  private advance(limit: bigint) {
    const { stepping, sliceBranches } = this.options;
    if (stepping) return this.core.step();
    return this.core.run(sliceBranches === undefined ? limit : this.core.current.branches + sliceBranches);
  }
}
