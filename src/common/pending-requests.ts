interface Pending<Result, Context> {
  readonly context: Context;
  resolve(result: Result): void;
  reject(error: Error): void;
}

/**
 * Requests that others have not answered yet: each has a number, which travels with it and comes back with the answer,
 * and a promise that the answer settles. `Context` is what belongs to a request besides, such as whom it was sent to.
 */
export class PendingRequests<Result, Context = undefined> {
  private readonly pending = new Map<number, Pending<Result, Context>>();
  private nextId = 0;
  private closed: Error | undefined;

  /** How many wait for their answer. */
  get count(): number {
    return this.pending.size;
  }

  /** Has `send` send a request with its number. When that throws, nothing was requested. */
  request(context: Context, send: (id: number) => void): Promise<Result> {
    if (this.closed) return Promise.reject(this.closed);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { context, resolve, reject });
      try {
        send(id);
      } catch (error) {
        this.pending.delete(id);
        throw error;
      }
    });
  }

  /** Undefined when it is answered, or was never asked. */
  contextOf(id: number): Context | undefined {
    return this.pending.get(id)?.context;
  }

  has(id: number): boolean {
    return this.pending.has(id);
  }

  /** An answer. One that nobody waits for any more is passed over. */
  resolve(id: number, result: Result): void {
    this.take(id)?.resolve(result);
  }

  /** The answer is a refusal. */
  reject(id: number, error: Error): void {
    this.take(id)?.reject(error);
  }

  private take(id: number): Pending<Result, Context> | undefined {
    const request = this.pending.get(id);
    this.pending.delete(id);
    return request;
  }

  /** Those that were made and are `lost`; unless that is given, all of them. */
  rejectAll(error: Error, lost: (context: Context) => boolean = () => true): void {
    for (const [id, { context, reject }] of this.pending) {
      if (!lost(context)) continue;
      this.pending.delete(id);
      reject(error);
    }
  }

  /** Nothing more will be answered: rejects all that wait, and all that will be requested. */
  close(error: Error): void {
    this.closed ??= error;
    this.rejectAll(error);
  }
}
