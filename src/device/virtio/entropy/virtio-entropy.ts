import type { PlainData } from '../../../state/plain-data.ts';
import { StateReader } from '../../../state/state-reader.ts';
import type { Entropy } from '../../device.ts';
import type { VirtioFunction, VirtioTransport } from '../transport.ts';

/** Of the saved state. */
const VERSION = 1;

/** Virtio 1.2, 5.4.1. */
export const VIRTIO_ENTROPY_DEVICE_ID = 4;
const QUEUE = 0;

/** A buffer may be longer than what it is given: 5.4.6.1 asks for one byte or more. */
const BYTES_PER_BUFFER = 4096;

/** Entropy device (virtio 1.2, section 5.4): one queue of buffers to fill. It has no state of its own. */
export class VirtioEntropy implements VirtioFunction {
  readonly name: string;
  readonly deviceId = VIRTIO_ENTROPY_DEVICE_ID;
  readonly features = 0n;
  readonly queues = [{ chainBytesMaximum: 1024 * 1024 }];

  private readonly entropy: Entropy;
  private transport!: VirtioTransport;

  constructor(parts: { name: string; entropy: Entropy }) {
    this.name = parts.name;
    this.entropy = parts.entropy;
  }

  connect(transport: VirtioTransport): void {
    this.transport = transport;
  }

  readConfiguration(): number {
    return 0;
  }

  writeConfiguration(): void {}

  notify(_queue: number): void {
    const { memory } = this.transport;
    const queue = this.transport.queue(QUEUE);
    queue.drain((chain) => {
      let done = 0;
      for (const { offset, length } of chain.writable) {
        const taken = Math.min(length, BYTES_PER_BUFFER - done);
        if (taken === 0) break;
        this.entropy.fill(memory.bytes.subarray(offset, offset + taken));
        done += taken;
      }
      queue.push(chain.head, done);
    });
    this.transport.signalUsed(QUEUE);
  }

  queueStopped(_queue: number): void {}

  reset(): void {}

  save(): PlainData {
    return { version: VERSION };
  }

  restore(state: PlainData): void {
    StateReader.part(this.name, state, VERSION, []);
  }
}
