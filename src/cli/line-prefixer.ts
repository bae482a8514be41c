/** A line of this many characters is cut: guests that draw may never end one. */
const LONGEST_LINE = 4096;

/** Puts a prefix before each line, and gives whole lines only. */
export class LinePrefixer {
  private readonly prefix: string;
  private rest = '';

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  feed(text: string): string {
    const lines = `${this.rest}${text}`.replaceAll('\r', '').split('\n');
    this.rest = lines.pop() ?? '';
    if (this.rest.length > LONGEST_LINE) {
      lines.push(this.rest);
      this.rest = '';
    }
    return lines.map((line) => `${this.prefix}${line}\n`).join('');
  }

  /** What has come of a last line. */
  end(): string {
    const { rest } = this;
    this.rest = '';
    return rest === '' ? '' : `${this.prefix}${rest}\n`;
  }
}
