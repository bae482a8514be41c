import type { ModuleBuilder } from '../../../execute/wasm/index.ts';
import type { DeclaredImports } from '../imports.ts';
import type { Physical } from '../physical.ts';
import type { Pmp } from '../pmp.ts';
import type { Translate } from '../translate.ts';
import { defineAtomicAddress, definePhysicalOf } from './atomic.ts';
import { defineProbeBlock } from './cache-block.ts';
import type { CodeWritten } from './code-written.ts';
import { defineDataTranslate } from './data-translate.ts';
import { defineDeviceReachable } from './device.ts';
import { defineFetch } from './fetch.ts';
import { defineFetchCrossing } from './fetch-crossing.ts';
import { defineInstructionBits } from './instruction-bits.ts';
import { defineLoad } from './load.ts';
import { defineStore } from './store.ts';
import { defineNoteSuperpage } from './superpages.ts';
import { defineWatched } from './watched.ts';

interface AccessParts {
  readonly host: DeclaredImports;
  readonly physical: Physical;
  readonly pmp: Pmp;
  readonly codeWritten: CodeWritten;
  readonly faults: Translate;
}

/** What memory accesses do when the inlined TLB look-up misses. */
export function defineAccess(module: ModuleBuilder, { host, physical, pmp, codeWritten, faults }: AccessParts) {
  const noteSuperpage = defineNoteSuperpage(module);
  const dataTranslate = defineDataTranslate(module, pmp, faults, noteSuperpage);
  const watched = defineWatched(module, host, faults, dataTranslate);
  const deviceReachable = defineDeviceReachable(module, faults);
  const data = { host, physical, faults, dataTranslate, watched, deviceReachable };
  const load = defineLoad(module, data);
  const store = defineStore(module, data, codeWritten);
  const atomic = defineAtomicAddress(module, data, codeWritten);
  const physicalOf = definePhysicalOf(module, dataTranslate);
  const fetch = defineFetch(module, { host, physical, pmp, faults, noteSuperpage });
  const fetchCrossing = defineFetchCrossing(module, host, fetch);
  const probe = defineProbeBlock(module, dataTranslate);
  const instructionBits = defineInstructionBits(module);
  return { load, store, atomic, probe, instructionBits, physicalOf, fetch, fetchCrossing };
}
