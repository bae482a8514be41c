import { GodwitError } from './errors.ts';

/**
 * The error of an invariant that does not hold. `relation` says in a clause what must hold, with the values that do
 * not: `a page lies in RAM: page 70000 of 65536`. By itself for texts that are too costly to make each time.
 */
export function violation(relation: string): GodwitError {
  return new GodwitError('internal', `A mistake in godwit: it must hold that ${relation}.`);
}

/**
 * Throws when something does not hold that godwit itself sees to. What a person, a file or the host may do wrong is no
 * invariant, and what a guest may do wrong even less. Nothing that runs often has one.
 */
export function invariant(condition: unknown, relation: string): asserts condition {
  if (!condition) throw violation(relation);
}

/** The value, of which godwit itself sees to that it is there. */
export function present<T>(value: T | undefined | null, relation: string): T {
  if (value === undefined || value === null) throw violation(relation);
  return value;
}
