import { fromWireError, toWireError } from '../../api/wire-error.ts';
import { GodwitError } from '../../common/errors.ts';
import { PendingRequests } from '../../common/pending-requests.ts';
import { platform } from '../../platform/platform.ts';
import type { Port, RemotePort } from '../../platform/threads.ts';
import type { ForkRequest, PeerMessage } from './thread-messages.ts';

/** What the first thread says to one that joins it. */
export type Invitation = Extract<PeerMessage, { kind: 'join' }>;

/** The other threads of a fork group, as one of them sees them. */
export class Peers {
  private readonly ports = new Map<number, Port>();
  /** Forks that other threads make, by the number of the thread. */
  private readonly forks = new PendingRequests<number, number>();
  /** Makes a machine of what another thread sent. Gives its number. */
  private readonly adopt: (request: ForkRequest) => Promise<number>;
  private joining: { resolve(invitation: Invitation): void; reject(error: GodwitError): void } | undefined;

  constructor(adopt: (request: ForkRequest) => Promise<number>) {
    this.adopt = adopt;
  }

  connect(thread: number, remote: RemotePort): void {
    const port = platform().threads.port(remote);
    this.ports.set(thread, port);
    port.onMessage((message) => this.receive(port, message as PeerMessage));
    port.onClose(() => this.lose(thread));
  }

  /** Connects with the first thread, and waits for its word. */
  join(first: number, remote: RemotePort): Promise<Invitation> {
    return new Promise((resolve, reject) => {
      this.joining = { resolve, reject };
      this.connect(first, remote);
    });
  }

  post(thread: number, message: PeerMessage): void {
    this.ports.get(thread)?.post(message);
  }

  /** Has the fork run in another thread. Gives its number there; throws what that thread threw. */
  fork(thread: number, request: ForkRequest): Promise<number> {
    const port = this.ports.get(thread);
    if (!port) return Promise.reject(new GodwitError('state', 'The thread that the fork was to run in has ended.'));
    return this.forks.request(thread, (id) => port.post({ kind: 'fork', id, request } satisfies PeerMessage));
  }

  private receive(port: Port, message: PeerMessage): void {
    switch (message.kind) {
      case 'fork':
        void this.serve(port, message.id, message.request);
        break;
      case 'forked':
        this.forks.resolve(message.id, message.machine);
        break;
      case 'refused':
        this.forks.reject(message.id, fromWireError(message.error));
        break;
      case 'join':
        this.joining?.resolve(message);
        break;
    }
  }

  private async serve(port: Port, id: number, request: ForkRequest): Promise<void> {
    let answer: PeerMessage;
    try {
      answer = { kind: 'forked', id, machine: await this.adopt(request) };
    } catch (error) {
      answer = { kind: 'refused', id, error: toWireError(error) };
    }
    port.post(answer);
  }

  private lose(thread: number): void {
    this.ports.delete(thread);
    this.joining?.reject(new GodwitError('state', "The first machine's thread has ended."));
    const error = new GodwitError('state', 'The thread that the fork was to run in ended unexpectedly.');
    this.forks.rejectAll(error, (asked) => asked === thread);
  }

  close(): void {
    for (const port of this.ports.values()) port.close();
  }
}
