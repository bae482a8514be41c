/** The requests under way that look at places in the file. */
export class InFlight {
  private readonly requests = new Set<Promise<unknown>>();

  track<T>(request: Promise<T>): Promise<T> {
    const settled: Promise<unknown> = request.then(
      () => this.requests.delete(settled),
      () => this.requests.delete(settled),
    );
    this.requests.add(settled);
    return request;
  }

  /** Resolves when all that are under way now are done; later ones are not waited for. */
  async quiesce(): Promise<void> {
    await Promise.all(this.requests);
  }
}
