import type { VirtioTransport } from '../transport.ts';
import type { DescriptorChain } from './descriptor-chain.ts';

export interface RequestsInFlightParts<Request> {
  /** The queue that requests come from. */
  readonly queue: number;
  /** While those in flight hold more bytes than this, no further ones are taken. */
  readonly bytesMaximum: number;
  /** What one costs the host's memory. */
  readonly bytesHeld: (request: Request) => number;
}

/** What a device has submitted to its backend and not answered yet: part of its state. */
export class RequestsInFlight<Request extends { readonly id: number }> {
  /** Never goes back, so that an answer to a request that a reset has dropped is known as such. */
  nextId = 1;
  private readonly parts: RequestsInFlightParts<Request>;
  /** By id, in the order of submission. */
  private readonly requests = new Map<number, Request>();
  private bytes = 0;
  private taking = false;

  constructor(parts: RequestsInFlightParts<Request>) {
    this.parts = parts;
  }

  get count(): number {
    return this.requests.size;
  }

  /** In the order of submission. */
  get all(): Request[] {
    return [...this.requests.values()];
  }

  get(id: number): Request | undefined {
    return this.requests.get(id);
  }

  add(request: Request): void {
    this.requests.set(request.id, request);
    this.bytes += this.parts.bytesHeld(request);
  }

  remove(request: Request): void {
    if (this.requests.delete(request.id)) this.bytes -= this.parts.bytesHeld(request);
  }

  clear(): void {
    this.requests.clear();
    this.bytes = 0;
  }

  /** Takes what waits in the queue, as far as there is room. */
  drain(transport: VirtioTransport, take: (chain: DescriptorChain) => void): void {
    // A backend may answer within `submit`; the loop that submitted goes on by itself.
    if (this.taking) return;
    this.taking = true;
    const { queue, bytesMaximum } = this.parts;
    try {
      transport.queue(queue).drain(take, () => transport.running && this.bytes < bytesMaximum);
    } finally {
      this.taking = false;
    }
    transport.signalUsed(queue);
  }
}
