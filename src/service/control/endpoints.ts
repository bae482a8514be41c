import { GodwitError } from '../../common/errors.ts';
import type { Endpoints } from '../../platform/endpoints.ts';
import { platform } from '../../platform/platform.ts';

/** Throws GodwitError('unsupported') on hosts whose programs cannot find one another. */
export function endpoints(): Endpoints {
  const found = platform().endpoints;
  if (found) return found;
  throw new GodwitError('unsupported', 'Programs cannot find one another on this host.');
}
