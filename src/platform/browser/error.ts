import { type ErrorCode, GodwitError } from '../../common/errors.ts';

/** DOMException names of the file system standard. */
const CODES: Readonly<Record<string, { readonly code: ErrorCode; readonly reason: string }>> = {
  NotFoundError: { code: 'not-found', reason: 'it does not exist' },
  TypeMismatchError: {
    code: 'usage',
    reason: 'it is of another kind: a file in place of a folder, or a folder in place of a file',
  },
  NoModificationAllowedError: { code: 'locked', reason: 'it is in use' },
  QuotaExceededError: { code: 'full', reason: 'the browser gives no more space' },
  NotAllowedError: { code: 'denied', reason: 'the browser does not permit it' },
  SecurityError: { code: 'denied', reason: 'the browser does not permit it here' },
  InvalidModificationError: { code: 'usage', reason: 'the folder is not empty' },
};

/** A failure of the browser as a GodwitError. `action` is as in "cannot <action>: it does not exist". */
export function browserError(error: unknown, action: string): GodwitError {
  if (error instanceof GodwitError) return error;
  const known = error instanceof DOMException ? CODES[error.name] : undefined;
  const reason = known?.reason ?? (error instanceof Error ? error.message : String(error));
  return new GodwitError(known?.code ?? 'io', `Cannot ${action}: ${reason}.`, { cause: error });
}

/** Does something with the browser's files, and turns its failures into sentences. */
export async function attempt<T>(action: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw browserError(error, action);
  }
}
