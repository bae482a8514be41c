import { GodwitError } from '../errors.ts';

/** `what` names the file; `why` is a clause. */
export function damagedElf(what: string, why: string): GodwitError {
  return new GodwitError('damaged', `${what} is a damaged ELF file: ${why}.`);
}
