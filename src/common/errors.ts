/**
 * Three kinds of error are kept apart. What a guest does wrong never becomes an exception: it is a trap, a device
 * status or an ignored write. What a person, a file or the host does wrong is a {@link GodwitError}. A mistake of ours
 * is one with the code `internal` where an invariant found it (invariant.ts), and anything else that is thrown.
 */
export type ErrorCode =
  | 'usage' // what was asked for makes no sense
  | 'not-found' // a file or a package is missing
  | 'damaged' // a file's content is broken
  | 'unsupported' // a file is sound, but uses something that godwit does not do
  | 'locked' // another machine has it
  | 'io' // the host failed to read or write
  | 'full' // no space is left
  | 'denied' // no permission
  | 'state' // the machine is not in a state where that can be done
  | 'limit' // more than godwit can give
  | 'internal'; // a mistake in godwit

/** An error with one clear sentence for a person, and where possible a hint that says what to do. */
export class GodwitError extends Error {
  /** Of the class, as for all errors. */
  override readonly name = 'GodwitError';
  /** What kind of mistake it was; programs go by this, never by the message. */
  readonly code: ErrorCode;
  /** A sentence on what to do, where there is one. */
  readonly hint: string | undefined;

  /** `message`: one sentence. `cause`: the error of the host behind it. */
  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
  }
}

/**
 * Whether it says what a person, a file or the host did wrong. All else is a mistake of ours, which no one may pass
 * over.
 */
export function isForeseen(error: unknown): error is GodwitError {
  return error instanceof GodwitError && error.code !== 'internal';
}

/** Where it comes from, and where what caused it. */
export function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
