import { object, type Schema, wholeNumber } from '../common/schema.ts';

/** Size of a terminal, as the guest's virtio console reports it. */
export interface TerminalSize {
  /** Width in characters, 0 to 65535. */
  readonly columns: number;
  /** Height in lines, 0 to 65535. */
  readonly rows: number;
}

const TERMINAL_LIMIT = 0xffff;

export const TERMINAL_SIZE: Schema<TerminalSize> = object({
  columns: wholeNumber(0, TERMINAL_LIMIT),
  rows: wholeNumber(0, TERMINAL_LIMIT),
});
