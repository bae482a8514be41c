/** One iteration over a console's output. What it was given counts as consumed when it asks for more. */
export class ConsoleReader implements AsyncIterableIterator<Uint8Array> {
  /** Position in the console's output up to which this reader is through. */
  consumed: number;
  private readonly queue: Uint8Array[] = [];
  private given = 0;
  private ended = false;
  private waiting: ((result: IteratorResult<Uint8Array, undefined>) => void)[] = [];
  private readonly owner: { progress(): void; done(): void };

  constructor(position: number, owner: { progress(): void; done(): void }) {
    this.consumed = position;
    this.owner = owner;
  }

  push(bytes: Uint8Array): void {
    const resolve = this.waiting.shift();
    if (resolve) resolve(this.give(bytes));
    else this.queue.push(bytes);
  }

  /** What is queued can still be read. */
  end(): void {
    this.ended = true;
    for (const resolve of this.waiting.splice(0)) resolve({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.consumed += this.given;
    this.given = 0;
    this.owner.progress();
    const bytes = this.queue.shift();
    if (bytes) return Promise.resolve(this.give(bytes));
    if (this.ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.queue.length = 0;
    this.end();
    this.owner.done();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private give(bytes: Uint8Array): IteratorResult<Uint8Array, undefined> {
    this.given += bytes.length;
    return { done: false, value: bytes };
  }
}
