import { GodwitError } from '../../common/errors.ts';
import type { Instruction } from '../instruction.ts';
import { ATOMIC } from './atomic.ts';
import { BITS } from './bits.ts';
import { FLOAT } from './float.ts';
import { CONDITIONAL, INTEGER } from './integer.ts';
import { MULTIPLY } from './multiply.ts';
import { SYSTEM } from './system.ts';

/** Every 32-bit instruction that the hart has. Order matters only where one row's encoding is a case of another's. */
export const INSTRUCTIONS: readonly Instruction[] = [
  ...INTEGER,
  ...CONDITIONAL,
  ...MULTIPLY,
  ...ATOMIC,
  ...BITS,
  ...FLOAT,
  ...SYSTEM,
];

const byName = new Map(INSTRUCTIONS.map((instruction) => [instruction.name, instruction]));

/** Throws GodwitError('usage') when there is none of this name. */
export function instructionNamed(name: string): Instruction {
  const found = byName.get(name);
  if (!found) throw new GodwitError('usage', `There is no instruction "${name}".`);
  return found;
}
