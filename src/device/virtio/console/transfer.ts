import type { ByteQueue } from '../../byte-queue.ts';
import type { VirtioTransport } from '../transport.ts';

/** From the guest: all that it has put into a transmit queue. `take` gets views that are valid only during the call. */
export function collectBytes(transport: VirtioTransport, index: number, take: (bytes: Uint8Array) => void): void {
  const { memory } = transport;
  const queue = transport.queue(index);
  queue.drain((chain) => {
    for (const { offset, length } of chain.readable) take(memory.bytes.subarray(offset, offset + length));
    queue.push(chain.head, 0);
  });
  transport.signalUsed(index);
}

/** To the guest, as far as it has given buffers to a receive queue. */
export function deliverBytes(transport: VirtioTransport, index: number, waiting: ByteQueue): void {
  if (!transport.running) return;
  const { memory } = transport;
  const queue = transport.queue(index);
  queue.drain(
    (chain) => {
      let written = 0;
      for (const { offset, length } of chain.writable) {
        written += waiting.take(memory.bytes.subarray(offset, offset + length));
      }
      queue.push(chain.head, written);
    },
    () => waiting.length > 0,
  );
  transport.signalUsed(index);
}
