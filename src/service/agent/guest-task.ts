import type { AgentOutput, GuestExit } from '../../api/agent.ts';
import type { GodwitError } from '../../common/errors.ts';
import { concatenate, WINDOW_BYTES } from './frames.ts';

export type Stream = 'output' | 'errors';

interface Waiting {
  resolve(): void;
  reject(error: GodwitError): void;
}

/** What the agent was asked to do, until its end has been read. Both directions are bounded by the windows. */
export class GuestTask {
  readonly request: number;
  private readonly chunks: Record<Stream, Uint8Array[]> = { output: [], errors: [] };
  private readonly credit: Record<Stream, number> = { output: WINDOW_BYTES, errors: WINDOW_BYTES };
  private inputCredit = WINDOW_BYTES;
  private exit: GuestExit | undefined;
  private failure: GodwitError | undefined;
  private waiting: Waiting[] = [];

  constructor(request: number) {
    this.request = request;
  }

  /** Its end is known: it takes no more input. */
  get isOver(): boolean {
    return this.exit !== undefined || this.failure !== undefined;
  }

  /** False when the agent sends more than it may. */
  receive(stream: Stream, bytes: Uint8Array): boolean {
    if (bytes.length > this.credit[stream] || this.exit) return false;
    this.credit[stream] -= bytes.length;
    this.chunks[stream].push(bytes.slice());
    this.wake();
    return true;
  }

  end(exit: GuestExit): void {
    this.exit = exit;
    this.wake();
  }

  fail(error: GodwitError): void {
    this.failure = error;
    this.wake();
  }

  private wake(): void {
    for (const { resolve } of this.waiting.splice(0)) resolve();
  }

  private sleep(): Promise<void> {
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  /** What came since the last time; waits for something. Throws what it failed with. */
  async read(): Promise<AgentOutput> {
    for (;;) {
      const output = this.take('output');
      const errors = this.take('errors');
      const { exit } = this;
      if (output || errors || exit)
        return { ...(output && { output }), ...(errors && { errors }), ...(exit && { exit }) };
      if (this.failure) throw this.failure;
      await this.sleep();
    }
  }

  private take(stream: Stream): Uint8Array | undefined {
    const chunks = this.chunks[stream].splice(0);
    if (chunks.length === 0) return undefined;
    const bytes = concatenate(chunks);
    this.credit[stream] += bytes.length;
    return bytes;
  }

  /** False when the agent gives more than was sent. */
  addInputCredit(bytes: number): boolean {
    this.inputCredit += bytes;
    this.wake();
    return this.inputCredit <= WINDOW_BYTES;
  }

  /** How much of so much may be sent now; waits for some. 0: it takes no more. */
  async takeInputCredit(wanted: number): Promise<number> {
    while (this.inputCredit === 0 && !this.isOver) await this.sleep();
    if (this.failure) throw this.failure;
    if (this.exit) return 0;
    const taken = Math.min(wanted, this.inputCredit);
    this.inputCredit -= taken;
    return taken;
  }
}
