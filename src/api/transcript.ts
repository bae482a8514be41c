import { GodwitError } from '../common/errors.ts';

/** In UTF-16 units. */
const KEPT_LENGTH = 1024 ** 2;
/** It may grow to this before it is cut. */
const CUT_LENGTH = 2 * KEPT_LENGTH;
const SHOWN_LENGTH = 200;

interface Wait {
  readonly pattern: string | RegExp;
  /** Searching a growing text for a fixed string goes on where it ended. */
  from: number;
  resolve(matched: string): void;
  reject(error: GodwitError): void;
}

/** Text of a console with a mark behind the last match, and those who wait for something to appear behind it. */
export class Transcript {
  private text = '';
  private mark = 0;
  private readonly decoder = new TextDecoder();
  private waits: Wait[] = [];
  private ended: GodwitError | undefined;

  get all(): string {
    return this.text.slice(-KEPT_LENGTH);
  }

  push(bytes: Uint8Array): void {
    this.text += this.decoder.decode(bytes, { stream: true });
    if (this.text.length > CUT_LENGTH) this.cut(this.text.length - KEPT_LENGTH);
    this.settle();
  }

  private cut(length: number): void {
    this.text = this.text.slice(length);
    this.mark = Math.max(0, this.mark - length);
    for (const wait of this.waits) wait.from = Math.max(0, wait.from - length);
  }

  /** An expression has neither of the flags g and y. */
  waitFor(pattern: string | RegExp, timeoutMs: number | undefined): Promise<string> {
    return new Promise((resolve, reject) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const done = (): void => {
        clearTimeout(timer);
        this.waits = this.waits.filter((other) => other !== wait);
      };
      const wait: Wait = {
        pattern,
        from: this.mark,
        resolve: (matched) => {
          done();
          resolve(matched);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      if (timeoutMs !== undefined) {
        timer = setTimeout(() => wait.reject(this.missing(pattern, `in ${timeoutMs} ms`)), timeoutMs);
      }
      this.waits.push(wait);
      this.settle();
    });
  }

  end(error: GodwitError): void {
    this.ended = error;
    this.settle();
  }

  private settle(): void {
    for (const wait of [...this.waits]) {
      const found = this.find(wait);
      if (found) {
        this.mark = found.end;
        wait.resolve(found.text);
      } else if (this.ended) wait.reject(this.missing(wait.pattern, 'before the machine ended'));
    }
  }

  private find(wait: Wait): { text: string; end: number } | undefined {
    const { pattern } = wait;
    if (typeof pattern === 'string') {
      const at = this.text.indexOf(pattern, Math.max(this.mark, wait.from));
      if (at >= 0) return { text: pattern, end: at + pattern.length };
      wait.from = Math.max(this.mark, this.text.length - pattern.length);
      return undefined;
    }
    const match = pattern.exec(this.text.slice(this.mark));
    return match ? { text: match[0], end: this.mark + match.index + match[0].length } : undefined;
  }

  private missing(pattern: string | RegExp, when: string): GodwitError {
    const shown = typeof pattern === 'string' ? JSON.stringify(pattern) : String(pattern);
    const last = JSON.stringify(this.text.slice(this.mark).slice(-SHOWN_LENGTH));
    return new GodwitError('state', `The console did not show ${shown} ${when}; its last output is ${last}.`);
  }
}
