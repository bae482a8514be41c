import { mayChange, type ShareServer } from '../../backend/share/server.ts';
import { ERRNO } from '../../common/9p/errno.ts';
import { errorReply, tagOf } from '../../common/9p/message.ts';
import type { ShareBackend, ShareSubmission } from '../../device/virtio/9p/backend.ts';
import { OPEN_GATE, type OutputGate } from '../../run/output-gate.ts';

export interface SharePortParts {
  readonly server: ShareServer;
  readonly complete: (id: number, reply: Uint8Array) => void;
  /** A mistake of ours; the guest gets an error besides. */
  readonly failed: (error: unknown) => void;
  /** Stands before what changes the folder. */
  readonly gate?: OutputGate | undefined;
}

interface Work {
  /** It has passed the gate. */
  mayBegin: boolean;
  /** Undefined: the session ends here. */
  readonly submission: ShareSubmission | undefined;
  readonly session: number;
}

/** An answer that the machine has not got yet. */
export interface UndeliveredReply {
  readonly id: number;
  readonly reply: Uint8Array;
}

/** Carries a 9P device's requests to its server, one after the other, and the answers back. */
export class SharePort implements ShareBackend {
  private readonly parts: SharePortParts;
  private readonly queue: Work[] = [];
  private readonly undelivered = new Map<number, Uint8Array>();
  private session = 0;
  private holders = 0;
  private working = false;
  private dropped = false;
  private whenStill: (() => void)[] = [];

  constructor(parts: SharePortParts) {
    this.parts = parts;
  }

  submit(submission: ShareSubmission): void {
    if (this.dropped) return;
    const { gate = OPEN_GATE } = this.parts;
    const work: Work = { mayBegin: false, submission, session: this.session };
    this.queue.push(work);
    const begin = (): void => {
      work.mayBegin = true;
      void this.serve();
    };
    if (mayChange(submission.message)) gate.release(submission.message.length, begin, () => this.drop());
    else begin();
  }

  delivered(id: number): void {
    this.undelivered.delete(id);
  }

  fence(): void {
    this.queue.push({ mayBegin: true, submission: undefined, session: this.session++ });
    this.undelivered.clear();
    void this.serve();
  }

  /** The machine is given up here: what it had asked for and was not allowed to leave it is not done. */
  private drop(): void {
    this.dropped = true;
    this.queue.length = 0;
  }

  /** Begins no further request until `release`; resolves when none is being served. */
  async hold(): Promise<void> {
    this.holders++;
    await this.still();
  }

  release(): void {
    this.holders--;
    void this.serve();
  }

  /** What was answered, and has not reached the machine. Of use while nothing is being served. */
  get undeliveredReplies(): UndeliveredReply[] {
    return [...this.undelivered].map(([id, reply]) => ({ id, reply }));
  }

  /** As if it had been served here: for a machine that goes on from a state. */
  deliverAgain({ id, reply }: UndeliveredReply): void {
    this.undelivered.set(id, reply);
    this.parts.complete(id, reply);
  }

  /** Ends what is queued and may leave the machine, then the server. */
  async close(): Promise<void> {
    this.holders = 0;
    if (this.queue.some(({ mayBegin }) => !mayBegin)) this.drop();
    while (this.queue.length > 0 || this.working) await this.turnOver();
    this.parts.server.close();
  }

  private async turnOver(): Promise<void> {
    await this.still();
    await this.serve();
  }

  private async still(): Promise<void> {
    while (this.working) await new Promise<void>((resolve) => this.whenStill.push(resolve));
  }

  private async serve(): Promise<void> {
    if (this.working) return;
    this.working = true;
    try {
      while (this.holders <= 0 && this.queue[0]?.mayBegin) await this.perform(this.queue.shift()!);
    } finally {
      this.working = false;
      for (const resolve of this.whenStill.splice(0)) resolve();
    }
  }

  private async perform({ submission, session }: Work): Promise<void> {
    if (!submission) {
      this.parts.server.reset();
      return;
    }
    const reply = await this.answer(submission);
    // The guest has begun anew meanwhile.
    if (session !== this.session || this.dropped) return;
    this.undelivered.set(submission.id, reply);
    this.parts.complete(submission.id, reply);
  }

  private async answer({ message, replyBytesMaximum }: ShareSubmission): Promise<Uint8Array> {
    try {
      return await this.parts.server.answer(message, replyBytesMaximum);
    } catch (error) {
      this.parts.failed(error);
      return errorReply(tagOf(message), ERRNO.EIO);
    }
  }
}
