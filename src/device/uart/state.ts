import type { PlainData } from '../../state/plain-data.ts';
import { StateReader } from '../../state/state-reader.ts';
import { CHARACTER_ERRORS } from './receiver-fifo.ts';
import { FCR_ENABLE, FCR_TRIGGER_SHIFT, FIFO_BYTES, IER_MASK, LSR_ERRORS, MCR_MASK } from './registers.ts';

export interface UartState {
  /** Two bytes per character of the receiver FIFO, oldest first: data, error bits as in LSR. */
  readonly fifo: Uint8Array;
  /** Bytes that wait behind the FIFO, oldest first. */
  readonly queue: Uint8Array;
  readonly ier: number;
  readonly fcr: number;
  readonly lcr: number;
  readonly mcr: number;
  readonly msr: number;
  readonly scr: number;
  readonly divisor: number;
  readonly errors: number;
  readonly transmitterPending: boolean;
}

export const UART_STATE_VERSION = 1;
const FIELDS = [
  'fifo',
  'queue',
  'ier',
  'fcr',
  'lcr',
  'mcr',
  'msr',
  'scr',
  'divisor',
  'errors',
  'transmitterPending',
] as const;

/** Checks what was saved. Throws GodwitError('damaged'). */
export function readUartState(name: string, data: PlainData, queueCapacity: number): UartState {
  const reader = StateReader.part(name, data, UART_STATE_VERSION, FIELDS);
  const state: UartState = {
    fifo: reader.bytes('fifo', 2 * FIFO_BYTES),
    queue: reader.bytes('queue', queueCapacity),
    ier: reader.integer('ier', IER_MASK),
    fcr: reader.integer('fcr', 0xff),
    lcr: reader.integer('lcr', 0xff),
    mcr: reader.integer('mcr', MCR_MASK),
    msr: reader.integer('msr', 0xff),
    scr: reader.integer('scr', 0xff),
    divisor: reader.integer('divisor', 0xffff),
    errors: reader.integer('errors', 0xff),
    transmitterPending: reader.flag('transmitterPending'),
  };
  const enabled = (state.fcr & FCR_ENABLE) !== 0;
  reader.require(
    (state.fcr & ~(FCR_ENABLE | (3 << FCR_TRIGGER_SHIFT))) === 0 && (enabled || state.fcr === 0),
    'FCR has bits that it cannot have',
  );
  reader.require((state.errors & ~LSR_ERRORS) === 0, 'LSR has bits that it cannot have');
  reader.require(
    state.fifo.length % 2 === 0 && state.fifo.length <= (enabled ? 2 * FIFO_BYTES : 2),
    'the receiver FIFO is longer than it can be',
  );
  reader.require(
    state.fifo.every((byte, index) => index % 2 === 0 || (byte & ~CHARACTER_ERRORS) === 0),
    'the receiver FIFO has error bits that do not exist',
  );
  return state;
}
