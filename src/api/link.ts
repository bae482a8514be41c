import type { GodwitError } from '../common/errors.ts';
import { PendingRequests } from '../common/pending-requests.ts';
import type { ActionName, ActionRequest, FromMachine, MachineActions, ToMachine } from './actions.ts';
import { fromWireError } from './wire-error.ts';

/** The way to a machine's thread. Platforms provide it. */
export interface MachineLink {
  post(message: ToMachine): void;
  /** Ends the thread at once, whatever it does. */
  terminate(): Promise<void>;
}

/** Sends requests over a link and finds the promise that an answer belongs to. */
export class ActionClient {
  private readonly link: MachineLink;
  private readonly requests = new PendingRequests<unknown>();

  constructor(link: MachineLink) {
    this.link = link;
  }

  request<Name extends ActionName>(
    action: Name,
    parameters: MachineActions[Name]['parameters'],
  ): Promise<MachineActions[Name]['result']> {
    const answer = this.requests.request(undefined, (id) =>
      this.link.post({ kind: 'request', id, action, parameters } as ActionRequest),
    );
    return answer as Promise<MachineActions[Name]['result']>;
  }

  receive(message: FromMachine & { kind: 'reply' | 'refusal' }): void {
    if (message.kind === 'reply') this.requests.resolve(message.id, message.result);
    else this.requests.reject(message.id, fromWireError(message.error));
  }

  /** Nothing more will be answered. */
  close(error: GodwitError): void {
    this.requests.close(error);
  }
}
