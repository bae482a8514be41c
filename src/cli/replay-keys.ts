/**
 * What is typed while a recording is shown: keys, without what the terminal itself says to the guest that was recorded.
 */

/** A character, or one of these. */
export type ReplayKey = string;
export const LEFT = 'left';
export const RIGHT = 'right';
export const ESCAPE_KEY = 'escape';

const ESC = '\x1b';
const NAMED: Readonly<Record<string, ReplayKey>> = { C: RIGHT, D: LEFT };

/**
 * A guest asks the terminal where its cursor is, and a replayed one does so again: the answer is no key. Such control
 * sequences begin with ESC and "[", and end with a letter or one of a few signs (ECMA-48, 5.4).
 */
export class ReplayKeys {
  private readonly decoder = new TextDecoder();
  /** The beginning of a control sequence. */
  private begun = '';

  feed(chunk: Uint8Array): ReplayKey[] {
    const keys: ReplayKey[] = [];
    for (const character of this.decoder.decode(chunk, { stream: true })) this.next(character, keys);
    // Alone, it is the key.
    if (this.begun === ESC) keys.push(this.end(ESCAPE_KEY));
    return keys;
  }

  private next(character: string, keys: ReplayKey[]): void {
    if (this.begun === '') {
      if (character === ESC) this.begun = ESC;
      else keys.push(character);
    } else if (this.begun === ESC) {
      if (character === '[' || character === 'O') this.begun += character;
      else this.end('');
    } else if (character >= '@' && character <= '~') {
      const isPlain = this.begun.length === 2;
      this.end('');
      const named = NAMED[character];
      if (isPlain && named !== undefined) keys.push(named);
    } else this.begun += '.';
  }

  private end(key: ReplayKey): ReplayKey {
    this.begun = '';
    return key;
  }
}
