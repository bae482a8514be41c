import { defineFloat } from '../../execute/float/index.ts';
import type { ModuleBuilder } from '../../execute/wasm/index.ts';
import { FFLAGS } from '../layout.ts';
import { defineCodeWritten } from './access/code-written.ts';
import { defineAccess } from './access/index.ts';
import { defineCsr } from './csr.ts';
import { defineDigest } from './digest.ts';
import { declareHostImports } from './imports.ts';
import { definePhysical } from './physical.ts';
import { definePmp } from './pmp.ts';
import { defineTimer } from './timer.ts';
import { defineTlb } from './tlb.ts';
import { defineTranslate } from './translate.ts';
import { defineTrap } from './trap.ts';

export interface HartOptions {
  /** Use the host's floating-point unit where its answer is the same. */
  readonly floatFastPaths: boolean;
}

/** Defines everything in a hart that is not an instruction, as functions of the module. */
export function defineHart(module: ModuleBuilder, options: HartOptions) {
  const host = declareHostImports(module);
  const physical = definePhysical(module, host);
  const pmp = definePmp(module);
  const tlb = defineTlb(module);
  const timer = defineTimer(module);
  const codeWritten = defineCodeWritten(module, host);
  const translate = defineTranslate(module, { physical, pmp, codeWritten });
  const access = defineAccess(module, { host, physical, pmp, codeWritten, faults: translate });
  const trap = defineTrap(module, timer, tlb, translate);
  const csr = defineCsr(module, { timer, tlb, pmp }, translate);
  const float = defineFloat(module, FFLAGS, { fastPaths: options.floatFastPaths });
  const digest = defineDigest(module);
  return { host, digest, physical, pmp, tlb, timer, access, trap, csr, float };
}

export type HartLibrary = ReturnType<typeof defineHart>;
