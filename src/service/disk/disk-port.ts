import type { Disk } from '../../backend/disk/disk.ts';
import type { BlockBackend, BlockCompletion, BlockSubmission } from '../../device/virtio/block/backend.ts';
import { OPEN_GATE, type OutputGate } from '../../run/output-gate.ts';

export interface DiskPortParts {
  readonly disk: Disk;
  /** The memory that frame spans lie in. */
  readonly memory: () => Uint8Array;
  readonly complete: (id: number, completion: BlockCompletion) => void;
  /** The host failed; the guest gets an error status besides. */
  readonly failed: (error: unknown) => void;
  /** Stands before what changes the disk. */
  readonly gate?: OutputGate | undefined;
}

/** Carries a block device's requests to a disk, and its answers back. */
export class DiskPort implements BlockBackend {
  private readonly parts: DiskPortParts;
  private readonly inFlight = new Set<Promise<void>>();
  /** What was in flight at the last fence: later requests begin after it. */
  private barrier: Promise<unknown> | undefined;

  constructor(parts: DiskPortParts) {
    this.parts = parts;
  }

  submit(submission: BlockSubmission): void {
    const data = submission.kind === 'write' ? this.gather(submission) : new Uint8Array(0);
    const { barrier } = this;
    const serve = () => this.serve(submission, data, barrier);
    const work = submission.kind === 'read' ? serve() : this.passGate(data.length, serve);
    this.inFlight.add(work);
    void work.then(() => this.inFlight.delete(work));
  }

  /** What is dropped at the gate is never answered: the machine does not run on here. */
  private passGate(bytes: number, serve: () => Promise<void>): Promise<void> {
    const { gate = OPEN_GATE } = this.parts;
    return new Promise((resolve) => gate.release(bytes, () => resolve(serve()), resolve));
  }

  fence(): void {
    if (this.inFlight.size === 0) return;
    const barrier = Promise.all(this.inFlight).then(() => {
      if (this.barrier === barrier) this.barrier = undefined;
    });
    this.barrier = barrier;
  }

  /** Resolves when nothing is in flight. */
  async drain(): Promise<void> {
    while (this.inFlight.size > 0) await Promise.all(this.inFlight);
  }

  private gather({ length, spans }: BlockSubmission & { kind: 'write' }): Uint8Array {
    const memory = this.parts.memory();
    const data = new Uint8Array(length);
    let done = 0;
    for (const span of spans) {
      data.set(memory.subarray(span.offset, span.offset + span.length), done);
      done += span.length;
    }
    return data;
  }

  private async serve(
    submission: BlockSubmission,
    data: Uint8Array,
    barrier: Promise<unknown> | undefined,
  ): Promise<void> {
    const { complete, failed } = this.parts;
    try {
      if (barrier) await barrier;
      complete(submission.id, await this.perform(submission, data));
    } catch (error) {
      failed(error);
      complete(submission.id, { status: 'error' });
    }
  }

  private async perform(submission: BlockSubmission, data: Uint8Array): Promise<BlockCompletion> {
    const { disk } = this.parts;
    switch (submission.kind) {
      case 'read': {
        const into = new Uint8Array(submission.length);
        await disk.read(submission.offset, into);
        return { status: 'ok', data: [into] };
      }
      case 'write':
        await disk.write(submission.offset, data);
        break;
      case 'flush':
        await disk.flush();
        break;
      case 'discard':
        await disk.discard(submission.offset, submission.length);
        break;
      case 'write-zeroes':
        await disk.writeZeroes(submission.offset, submission.length, submission.unmap);
        break;
    }
    return { status: 'ok' };
  }
}
