import { GodwitError, isForeseen, stackOf } from '../common/errors.ts';

export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;

/** Tells a person what went wrong, in one sentence, and what to do. Gives the exit status. */
export function reportError(error: unknown, debug: boolean): number {
  const message = error instanceof Error ? error.message : String(error);
  // One with the code `internal` says itself that it is a mistake in godwit.
  const lines = [
    error instanceof GodwitError ? `godwit: ${message}` : `godwit: this is a mistake in godwit: ${message}`,
  ];
  if (error instanceof GodwitError && error.hint !== undefined) lines.push(error.hint);
  else if (!isForeseen(error) && !debug) lines.push('Run it again with --debug to see where.');
  if (debug && error instanceof Error) lines.push(stackOf(error));
  process.stderr.write(`${lines.join('\n')}\n`);
  return error instanceof GodwitError && error.code === 'usage' ? EXIT_USAGE : EXIT_FAILURE;
}

/** What went wrong and what to do, or what follows. */
export function sentencesOf({ message, hint }: GodwitError): string {
  return hint === undefined ? message : `${message} ${hint}`;
}
