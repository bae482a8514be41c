import { damagedElf } from './damaged.ts';

/** The longest name that is read whole. */
const LIMIT_BYTES = 4096;

/** Names that end with a zero, by where they begin. They are read as Latin-1, so that no byte is lost. */
export class StringTable {
  readonly bytes: Uint8Array;
  private readonly what: string;

  constructor(what: string, bytes: Uint8Array) {
    this.what = what;
    this.bytes = bytes;
  }

  /** Throws GodwitError('damaged') when it has no end. */
  at(offset: number): string {
    const end = this.endOf(offset, LIMIT_BYTES);
    if (this.bytes[end] !== 0) throw damagedElf(this.what, 'a name leaves its string table, or is endless');
    return this.text(offset, end);
  }

  /** Its first bytes; all of it when there are no more. Empty where there is none. */
  beginningAt(offset: number, limitBytes: number): string {
    return this.text(offset, this.endOf(offset, Math.min(limitBytes, LIMIT_BYTES)));
  }

  private endOf(offset: number, limitBytes: number): number {
    const limit = Math.min(this.bytes.length, offset + limitBytes);
    let end = offset;
    while (end < limit && this.bytes[end] !== 0) end++;
    return end;
  }

  private text(offset: number, end: number): string {
    return String.fromCharCode(...this.bytes.subarray(offset, end));
  }
}
