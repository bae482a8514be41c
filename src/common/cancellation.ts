import { GodwitError } from './errors.ts';

/** Whether somebody has lost interest; an AbortSignal is one. */
export interface Cancellation {
  /** Nobody wants it any more. */
  readonly aborted: boolean;
}

/** The same for who is to be told; an AbortSignal is one. */
export interface CancellationSignal extends Cancellation {
  /** Calls `listener` when nobody wants it any more. */
  addEventListener(type: 'abort', listener: () => void): void;
  /** Does not call it any more. */
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** `what`, in a clause, is no longer wanted: throws GodwitError('state') when that is so. */
export function throwIfCancelled(signal: Cancellation | undefined, what: string): void {
  if (signal?.aborted) throw new GodwitError('state', `${what}.`);
}
