import { GodwitError } from '../../common/errors.ts';
import { ENDPOINT_NAME } from '../../platform/endpoints.ts';

/** Throws GodwitError('usage'). */
export function assertMachineName(name: string): void {
  if (ENDPOINT_NAME.test(name)) return;
  throw new GodwitError('usage', `"${name}" cannot be the name of a machine.`, {
    hint: 'A name has up to 40 of A-Z a-z 0-9 . _ - and begins with none of . and -',
  });
}
