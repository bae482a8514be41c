import { inWords, kindOf, object, type Schema, wholeNumber } from '../common/schema.ts';

/** Size of a terminal, as the guest's virtio console reports it. */
export interface TerminalSize {
  /** Width in characters, 0 to 65535. */
  readonly columns: number;
  /** Height in lines, 0 to 65535. */
  readonly rows: number;
}

const TERMINAL_LIMIT = 0xffff;

function terminalSide(side: string): Schema<number> {
  return inWords(wholeNumber(0, TERMINAL_LIMIT), (value) => `A terminal cannot have ${kindOf(value)} ${side}`);
}

export const TERMINAL_SIZE: Schema<TerminalSize> = object({
  columns: terminalSide('columns'),
  rows: terminalSide('rows'),
});
