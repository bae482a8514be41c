import type { MessagePort } from 'node:worker_threads';
import { fromWireError, toWireError } from '../../api/wire-error.ts';
import { GodwitError } from '../../common/errors.ts';
import type { ForkRequest, PeerMessage } from './host-messages.ts';

interface Waiting {
  readonly thread: number;
  resolve(machine: number): void;
  reject(error: GodwitError): void;
}

/** The other threads of a fork group, as one of them sees them. */
export class Peers {
  private readonly ports = new Map<number, MessagePort>();
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 0;
  /** Makes a machine of what another thread sent. Gives its number. */
  private readonly adopt: (request: ForkRequest) => Promise<number>;

  constructor(adopt: (request: ForkRequest) => Promise<number>) {
    this.adopt = adopt;
  }

  connect(thread: number, port: MessagePort): void {
    this.ports.set(thread, port);
    port.on('message', (message: PeerMessage) => this.receive(port, message));
    port.on('close', () => this.lose(thread));
  }

  post(thread: number, message: PeerMessage): void {
    this.ports.get(thread)?.postMessage(message);
  }

  /** Has the fork run in another thread. Gives its number there; throws what that thread threw. */
  fork(thread: number, request: ForkRequest): Promise<number> {
    const port = this.ports.get(thread);
    if (!port) return Promise.reject(new GodwitError('state', 'The thread that the fork was to run in has ended.'));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { thread, resolve, reject });
      port.postMessage({ kind: 'fork', id, request } satisfies PeerMessage);
    });
  }

  private receive(port: MessagePort, message: PeerMessage): void {
    switch (message.kind) {
      case 'fork':
        void this.serve(port, message.id, message.request);
        break;
      case 'forked':
        this.settled(message.id)?.resolve(message.machine);
        break;
      case 'refused':
        this.settled(message.id)?.reject(fromWireError(message.error));
        break;
      case 'join':
        break;
    }
  }

  private settled(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    return waiting;
  }

  private async serve(port: MessagePort, id: number, request: ForkRequest): Promise<void> {
    let answer: PeerMessage;
    try {
      answer = { kind: 'forked', id, machine: await this.adopt(request) };
    } catch (error) {
      answer = { kind: 'refused', id, error: toWireError(error) };
    }
    port.postMessage(answer);
  }

  private lose(thread: number): void {
    this.ports.delete(thread);
    for (const [id, { thread: asked, reject }] of this.waiting) {
      if (asked !== thread) continue;
      this.waiting.delete(id);
      reject(new GodwitError('state', 'The thread that the fork was to run in ended unexpectedly.'));
    }
  }

  close(): void {
    for (const port of this.ports.values()) port.close();
  }
}
