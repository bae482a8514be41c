import type { Faults } from '../faults.ts';
import type { DeclaredImports } from '../imports.ts';
import type { Physical } from '../physical.ts';
import type { DataTranslate } from './data-translate.ts';
import type { DeviceReachable } from './device.ts';
import type { Watched } from './watched.ts';

/** What loads, stores and atomic accesses are made of. */
export interface DataParts {
  readonly host: DeclaredImports;
  readonly physical: Physical;
  readonly faults: Faults;
  readonly dataTranslate: DataTranslate;
  readonly watched: Watched;
  readonly deviceReachable: DeviceReachable;
}
