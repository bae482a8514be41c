import type { Declared } from '../../../execute/wasm/index.ts';
import type { DeclaredImports } from '../imports.ts';
import type { Physical } from '../physical.ts';
import type { Pmp } from '../pmp.ts';
import type { Translate } from '../translate.ts';
import type { NoteSuperpage } from './superpages.ts';

/** What fetches are made of. */
export interface FetchParts {
  readonly host: DeclaredImports;
  readonly physical: Physical;
  readonly pmp: Pmp;
  readonly faults: Translate;
  readonly noteSuperpage: NoteSuperpage;
}

export type Fetch = Declared<readonly ['i32', 'i64', 'i32'], 'i32'>;
