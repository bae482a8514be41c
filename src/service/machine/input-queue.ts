import { IER_RECEIVED_DATA, LCR_DLAB, UART_IER_DLM, UART_LCR } from '../../device/uart/registers.ts';
import { UART } from '../../machine/boot/memory-map.ts';
import type { MachineCore } from '../../machine/core.ts';
import type { ConsolePort } from '../../machine/events.ts';

/** Handed over at a time, so that a guest gets a large paste as fast as it reads, and not all at once. */
const PORTION_BYTES = 4096;

interface Typed {
  readonly bytes: Uint8Array;
  readonly done: () => void;
}

/**
 * Input on its way to a console. Linux clears a UART's FIFO when it opens the port, and resets a virtio device when its
 * driver starts; what had arrived before would be lost. With `untilListening` input waits until the guest is through
 * with that: until it has turned the UART's receive interrupt on, or has printed on the virtio console, to which
 * programs come late.
 */
export class InputQueue {
  private readonly core: MachineCore;
  private readonly port: ConsolePort;
  private readonly untilListening: boolean;
  private readonly handOver: (bytes: Uint8Array) => void;
  private readonly waiting: Typed[] = [];
  private offset = 0;
  private printed = false;

  constructor(parts: {
    core: MachineCore;
    port: ConsolePort;
    untilListening: boolean;
    handOver: (bytes: Uint8Array) => void;
  }) {
    this.core = parts.core;
    this.port = parts.port;
    this.untilListening = parts.untilListening;
    this.handOver = parts.handOver;
  }

  /** `done` is called when the last byte is handed over. */
  push(bytes: Uint8Array, done: () => void): void {
    this.waiting.push({ bytes, done });
  }

  /** Hands over what the device has room for. To be called often. */
  flow(): void {
    if (this.waiting.length === 0 || !this.listening) return;
    let room = Math.min(PORTION_BYTES, this.core.inputSpace(this.port));
    for (let next = this.waiting[0]; next; next = this.waiting[0]) {
      const portion = next.bytes.subarray(this.offset, this.offset + room);
      if (portion.length > 0) this.handOver(portion);
      room -= portion.length;
      this.offset += portion.length;
      if (this.offset < next.bytes.length) return;
      this.waiting.shift();
      this.offset = 0;
      next.done();
    }
  }

  /** The guest printed on this console. */
  noteOutput(): void {
    this.printed = true;
  }

  private get listening(): boolean {
    if (!this.untilListening) return true;
    return this.port === 'uart' ? this.uartListens : this.printed;
  }

  /** Reading these registers changes nothing. While the divisor latch is open the guest sets the port up. */
  private get uartListens(): boolean {
    const { bus } = this.core.board;
    if (!bus.read(UART.base + UART_LCR, 1) || (bus.low & LCR_DLAB) !== 0) return false;
    return bus.read(UART.base + UART_IER_DLM, 1) && (bus.low & IER_RECEIVED_DATA) !== 0;
  }
}
