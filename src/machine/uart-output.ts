const BUFFER_BYTES = 4096;

/** Gathers what a guest prints byte by byte. */
export class UartOutput {
  private readonly output: (bytes: Uint8Array) => void;
  private buffer: Uint8Array | undefined;
  private count = 0;

  /** The view that `output` is given is valid only during the call. */
  constructor(output: (bytes: Uint8Array) => void) {
    this.output = output;
  }

  print(byte: number): void {
    this.buffer ??= new Uint8Array(BUFFER_BYTES);
    this.buffer[this.count++] = byte;
    if (this.count === BUFFER_BYTES) this.flush();
  }

  /** Passes on what was gathered. */
  flush(): void {
    if (this.count === 0 || !this.buffer) return;
    this.output(this.buffer.subarray(0, this.count));
    this.count = 0;
  }
}
