import type { GodwitError } from '../../common/errors.ts';
import { failureOf, type KnownFailure } from '../failure.ts';

/** DOMException names of the file system standard. */
const CODES: Readonly<Record<string, KnownFailure>> = {
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
  return failureOf(error, action, error instanceof DOMException ? CODES[error.name] : undefined);
}

/** Does something with the browser's files, and turns its failures into sentences. */
export async function attempt<T>(action: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw browserError(error, action);
  }
}
