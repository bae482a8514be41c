import { VERSION } from '../../common/version.ts';

/** What files are written by, such as "godwit 0.1.0". */
export function toolName(): string {
  return `godwit ${VERSION}`;
}
