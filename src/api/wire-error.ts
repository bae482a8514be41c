import { type ErrorCode, GodwitError, stackOf } from '../common/errors.ts';

/** An error as it travels between threads. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  /** For --debug. */
  readonly stack?: string;
}

/** What is no GodwitError is a mistake of ours, and is said to be one. */
export function toWireError(error: unknown): WireError {
  const stack = error instanceof Error && error.stack !== undefined ? { stack: stackOf(error) } : {};
  if (error instanceof GodwitError) {
    const { code, message, hint } = error;
    return { code, message, ...(hint === undefined ? {} : { hint }), ...stack };
  }
  const text = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message: `The machine broke down through a mistake in godwit: ${text}.`, ...stack };
}

export function fromWireError({ code, message, hint, stack }: WireError): GodwitError {
  const error = new GodwitError(code, message, hint === undefined ? {} : { hint });
  if (stack !== undefined) error.stack = `${error.stack}\nin the machine's thread: ${stack}`;
  return error;
}
