const PORTION_LENGTH = 64 * 1024;

/** Gathers lines, so that they travel in portions. */
export class TraceBuffer {
  private readonly send: (text: string) => void;
  private text = '';

  constructor(send: (text: string) => void) {
    this.send = send;
  }

  write(line: string): void {
    this.text += `${line}\n`;
    if (this.text.length >= PORTION_LENGTH) this.flush();
  }

  flush(): void {
    if (this.text === '') return;
    const { text } = this;
    this.text = '';
    this.send(text);
  }
}
