import type { PlainData } from '../../state/plain-data.ts';
import { ByteQueue } from '../byte-queue.ts';
import type { AccessWidth, InterruptLine, MmioDevice } from '../device.ts';
import { modemDeltas, modemLines } from './modem.ts';
import { CHARACTER_ERRORS, ReceiverFifo } from './receiver-fifo.ts';
import {
  FCR_ENABLE,
  FCR_RESET_RECEIVER,
  FCR_TRIGGER_BYTES,
  FCR_TRIGGER_SHIFT,
  FIFO_BYTES,
  IER_LINE_STATUS,
  IER_MASK,
  IER_MODEM_STATUS,
  IER_RECEIVED_DATA,
  IER_TRANSMITTER_EMPTY,
  IIR_CHARACTER_TIMEOUT,
  IIR_FIFOS_ENABLED,
  IIR_LINE_STATUS,
  IIR_MODEM_STATUS,
  IIR_NONE,
  IIR_RECEIVED_DATA,
  IIR_TRANSMITTER_EMPTY,
  LCR_DLAB,
  LSR_BREAK,
  LSR_DATA_READY,
  LSR_ERRORS,
  LSR_FIFO_ERROR,
  LSR_OVERRUN,
  LSR_THR_EMPTY,
  LSR_TRANSMITTER_EMPTY,
  MCR_LOOP,
  MCR_MASK,
  MSR_DELTAS,
  UART_IER_DLM,
  UART_IIR_FCR,
  UART_LCR,
  UART_LSR,
  UART_MCR,
  UART_MSR,
  UART_RBR_THR_DLL,
  UART_SCR,
  UART_SIZE_BYTES,
} from './registers.ts';
import { readUartState, UART_STATE_VERSION, type UartState } from './state.ts';

/** Bytes from outside that wait behind the receiver FIFO. */
export const UART_RECEIVE_QUEUE_BYTES = 65536;

/**
 * 16550A UART. A character takes no time: what is written to THR has been transmitted when the write returns, and what
 * arrives is in the FIFO at once. So the transmitter is always empty, and below the trigger level the receiver raises
 * the character timeout interrupt at once (the four silent character times are over), not a data interrupt later.
 *
 * The registers are bytes. A wider access means the register at its offset, with zeros above; offsets from 8 on read as
 * 0.
 */
export class Uart16550 implements MmioDevice {
  readonly name = 'uart@0';
  readonly sizeBytes = UART_SIZE_BYTES;

  private readonly transmit: (byte: number) => void;
  private readonly line: InterruptLine;

  private readonly fifo = new ReceiverFifo();
  /** From outside, not yet in the FIFO: a guest that is slow, or that has not yet set up its UART, loses nothing. */
  private readonly queue = new ByteQueue(UART_RECEIVE_QUEUE_BYTES);
  private ier = 0;
  private fcr = 0;
  private lcr = 0;
  private mcr = 0;
  private msr = modemLines(0);
  private scr = 0;
  private divisor = 0;
  /** LSR's overrun bit and the error bits of the character at the top of the FIFO. */
  private errors = 0;
  /** The THRE interrupt: set when THR becomes empty, cleared by reading it from IIR or by writing THR. */
  private transmitterPending = false;

  /** Follow from the above: the IIR cause, and the level of the line. */
  private cause = IIR_NONE;
  private level = false;

  constructor(parts: { transmit: (byte: number) => void; line: InterruptLine }) {
    this.transmit = parts.transmit;
    this.line = parts.line;
  }

  /** How many bytes `receive` would take now. */
  get receiveSpace(): number {
    return this.queue.space;
  }

  /** Bytes from outside. Takes as many from the front as there is space for, and returns how many. */
  receive(bytes: Uint8Array): number {
    const taken = this.queue.push(bytes);
    this.fill();
    this.update();
    return taken;
  }

  /** A break condition from outside: a zero character with the break bit (8.4), ahead of what waits in the queue. */
  receiveBreak(): void {
    this.put(0, LSR_BREAK);
    this.update();
  }

  read(offset: number, _width: AccessWidth): number {
    switch (offset) {
      case UART_LSR:
        return this.readLineStatus();
      case UART_RBR_THR_DLL:
        return (this.lcr & LCR_DLAB) !== 0 ? this.divisor & 0xff : this.readReceiver();
      case UART_IER_DLM:
        return (this.lcr & LCR_DLAB) !== 0 ? this.divisor >> 8 : this.ier;
      case UART_IIR_FCR:
        return this.readInterruptIdentification();
      case UART_LCR:
        return this.lcr;
      case UART_MCR:
        return this.mcr;
      case UART_MSR:
        return this.readModemStatus();
      case UART_SCR:
        return this.scr;
      default:
        return 0;
    }
  }

  write(offset: number, _width: AccessWidth, value: number): void {
    const byte = value & 0xff;
    switch (offset) {
      case UART_RBR_THR_DLL:
        if ((this.lcr & LCR_DLAB) !== 0) this.divisor = (this.divisor & 0xff00) | byte;
        else this.writeTransmitter(byte);
        break;
      case UART_IER_DLM:
        if ((this.lcr & LCR_DLAB) !== 0) this.divisor = (this.divisor & 0xff) | (byte << 8);
        else this.writeInterruptEnable(byte);
        break;
      case UART_IIR_FCR:
        this.writeFifoControl(byte);
        break;
      case UART_LCR:
        this.lcr = byte;
        break;
      case UART_MCR:
        this.writeModemControl(byte);
        break;
      case UART_SCR:
        this.scr = byte;
        break;
    }
  }

  reset(): void {
    this.fifo.clear();
    this.queue.clear();
    this.ier = 0;
    this.fcr = 0;
    this.lcr = 0;
    this.mcr = 0;
    this.msr = modemLines(0);
    this.scr = 0;
    this.divisor = 0;
    this.errors = 0;
    this.transmitterPending = false;
    this.update();
  }

  save(): PlainData {
    const state: UartState & { readonly version: number } = {
      version: UART_STATE_VERSION,
      fifo: this.fifo.toBytes(),
      queue: this.queue.toBytes(),
      ier: this.ier,
      fcr: this.fcr,
      lcr: this.lcr,
      mcr: this.mcr,
      msr: this.msr,
      scr: this.scr,
      divisor: this.divisor,
      errors: this.errors,
      transmitterPending: this.transmitterPending,
    };
    return { ...state };
  }

  restore(data: PlainData): void {
    const state = readUartState(this.name, data, UART_RECEIVE_QUEUE_BYTES);
    this.fifo.fromBytes(state.fifo);
    this.queue.clear();
    this.queue.push(state.queue);
    this.ier = state.ier;
    this.fcr = state.fcr;
    this.lcr = state.lcr;
    this.mcr = state.mcr;
    this.msr = state.msr;
    this.scr = state.scr;
    this.divisor = state.divisor;
    this.errors = state.errors;
    this.transmitterPending = state.transmitterPending;
    this.update();
    this.line.set(this.level);
  }

  private readReceiver(): number {
    const byte = this.fifo.shift();
    this.errors |= this.fifo.takeErrors();
    this.fill();
    this.update();
    return byte;
  }

  private writeTransmitter(byte: number): void {
    if ((this.mcr & MCR_LOOP) !== 0) this.put(byte, 0);
    else this.transmit(byte);
    this.transmitterPending = true;
    this.update();
  }

  private readLineStatus(): number {
    let status = LSR_THR_EMPTY | LSR_TRANSMITTER_EMPTY | this.errors;
    if (this.fifo.length > 0) status |= LSR_DATA_READY;
    if ((this.fcr & FCR_ENABLE) !== 0 && ((this.errors & CHARACTER_ERRORS) !== 0 || this.fifo.withErrors > 0)) {
      status |= LSR_FIFO_ERROR;
    }
    if (this.errors !== 0) {
      this.errors = 0;
      this.update();
    }
    return status;
  }

  private readInterruptIdentification(): number {
    const cause = this.cause;
    if (cause === IIR_TRANSMITTER_EMPTY) {
      this.transmitterPending = false;
      this.update();
    }
    return (this.fcr & FCR_ENABLE) !== 0 ? cause | IIR_FIFOS_ENABLED : cause;
  }

  private readModemStatus(): number {
    const status = this.msr;
    this.msr = status & ~MSR_DELTAS;
    this.update();
    return status;
  }

  /** Enabling the THRE interrupt while THR is empty raises it, even if it was taken before. */
  private writeInterruptEnable(byte: number): void {
    const enabled = byte & IER_MASK;
    if (((enabled ^ this.ier) & IER_TRANSMITTER_EMPTY) !== 0) {
      this.transmitterPending = (enabled & IER_TRANSMITTER_EMPTY) !== 0;
    }
    this.ier = enabled;
    this.update();
  }

  /** Changing bit 0 clears both FIFOs; the trigger level can only be written together with bit 0 set (8.5). */
  private writeFifoControl(byte: number): void {
    const changed = ((byte ^ this.fcr) & FCR_ENABLE) !== 0;
    if (changed || (byte & FCR_RESET_RECEIVER) !== 0) {
      this.fifo.clear();
      this.errors &= ~CHARACTER_ERRORS;
    }
    this.fcr = (byte & FCR_ENABLE) !== 0 ? byte & (FCR_ENABLE | (3 << FCR_TRIGGER_SHIFT)) : 0;
    this.fill();
    this.update();
  }

  private writeModemControl(byte: number): void {
    this.mcr = byte & MCR_MASK;
    const lines = modemLines(this.mcr);
    this.msr = lines | (this.msr & MSR_DELTAS) | modemDeltas(this.msr, lines);
    this.fill();
    this.update();
  }

  private capacity(): number {
    return (this.fcr & FCR_ENABLE) !== 0 ? FIFO_BYTES : 1;
  }

  /** Moves waiting bytes into the FIFO. In loopback mode the receiver is cut off from the line (8.8). */
  private fill(): void {
    if (this.queue.length === 0 || (this.mcr & MCR_LOOP) !== 0) return;
    const capacity = this.capacity();
    while (this.fifo.length < capacity) {
      const byte = this.queue.shift();
      if (byte < 0) return;
      this.fifo.push(byte, 0);
    }
  }

  /** A character for which nothing waits: when the FIFO is full it is lost and overrun is noted (8.4). */
  private put(byte: number, errors: number): void {
    if (this.fifo.length >= this.capacity()) {
      this.errors |= LSR_OVERRUN;
      return;
    }
    this.fifo.push(byte, errors);
    if (this.fifo.length === 1) this.errors |= this.fifo.takeErrors();
  }

  private update(): void {
    const cause = this.ier === 0 ? IIR_NONE : this.highestCause();
    this.cause = cause;
    const level = cause !== IIR_NONE;
    if (level === this.level) return;
    this.level = level;
    this.line.set(level);
  }

  private highestCause(): number {
    const enabled = this.ier;
    if ((enabled & IER_LINE_STATUS) !== 0 && (this.errors & LSR_ERRORS) !== 0) return IIR_LINE_STATUS;
    if ((enabled & IER_RECEIVED_DATA) !== 0 && this.fifo.length > 0) return this.receiverCause();
    if ((enabled & IER_TRANSMITTER_EMPTY) !== 0 && this.transmitterPending) return IIR_TRANSMITTER_EMPTY;
    if ((enabled & IER_MODEM_STATUS) !== 0 && (this.msr & MSR_DELTAS) !== 0) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  private receiverCause(): number {
    if ((this.fcr & FCR_ENABLE) === 0) return IIR_RECEIVED_DATA;
    const trigger = FCR_TRIGGER_BYTES[this.fcr >> FCR_TRIGGER_SHIFT]!;
    return this.fifo.length >= trigger ? IIR_RECEIVED_DATA : IIR_CHARACTER_TIMEOUT;
  }
}
