import { type ErrorCode, GodwitError } from '../common/errors.ts';

/** What a host's own name of a failure means. */
export interface KnownFailure {
  readonly code: ErrorCode;
  /** A clause. */
  readonly reason: string;
}

/** A failure of the host as a GodwitError. `action` is as in "cannot <action>: permission is missing". */
export function failureOf(error: unknown, action: string, known: KnownFailure | undefined): GodwitError {
  if (error instanceof GodwitError) return error;
  const reason = known?.reason ?? (error instanceof Error ? error.message : String(error));
  return new GodwitError(known?.code ?? 'io', `Cannot ${action}: ${reason}.`, { cause: error });
}
