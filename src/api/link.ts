import type { GodwitError } from '../common/errors.ts';
import type { ActionName, ActionRequest, FromMachine, MachineActions, ToMachine } from './actions.ts';
import { fromWireError } from './wire-error.ts';

/** The way to a machine's thread. Platforms provide it. */
export interface MachineLink {
  post(message: ToMachine): void;
  /** Ends the thread at once, whatever it does. */
  terminate(): Promise<void>;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: GodwitError): void;
}

/** Sends requests over a link and finds the promise that an answer belongs to. */
export class ActionClient {
  private readonly link: MachineLink;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 0;
  private closed: GodwitError | undefined;

  constructor(link: MachineLink) {
    this.link = link;
  }

  request<Name extends ActionName>(
    action: Name,
    parameters: MachineActions[Name]['parameters'],
  ): Promise<MachineActions[Name]['result']> {
    if (this.closed) return Promise.reject(this.closed);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.link.post({ kind: 'request', id, action, parameters } as ActionRequest);
    });
  }

  receive(message: FromMachine & { kind: 'reply' | 'refusal' }): void {
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.kind === 'reply') waiting?.resolve(message.result);
    else waiting?.reject(fromWireError(message.error));
  }

  /** Nothing more will be answered. */
  close(error: GodwitError): void {
    this.closed = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
