import { GodwitError } from '../../../common/errors.ts';
import type { PlainData } from '../../../state/plain-data.ts';
import { StateReader } from '../../../state/state-reader.ts';
import { ByteQueue } from '../../byte-queue.ts';
import type { AccessWidth } from '../../device.ts';
import { readConfigurationBytes } from '../configuration.ts';
import { featureSet } from '../features.ts';
import type { VirtioFunction, VirtioTransport } from '../transport.ts';
import {
  CONSOLE_CONFIGURATION_BYTES,
  CONSOLE_CONFIGURATION_COLS,
  CONSOLE_CONFIGURATION_EMERG_WR,
  CONSOLE_CONFIGURATION_ROWS,
  CONSOLE_RECEIVE_QUEUE,
  CONSOLE_TRANSMIT_QUEUE,
  VIRTIO_CONSOLE_DEVICE_ID,
  VIRTIO_CONSOLE_F_EMERG_WRITE,
  VIRTIO_CONSOLE_F_SIZE,
} from './registers.ts';
import { collectBytes, deliverBytes } from './transfer.ts';

/** Of the saved state. */
const VERSION = 1;

/** Bytes from outside that wait until the guest gives buffers. */
export const CONSOLE_RECEIVE_QUEUE_BYTES = 65536;
const BUFFER_BYTES_MAXIMUM = 1024 * 1024;

/** Console device with one port. Bytes to the guest wait in a bounded queue; bytes from it go out at once. */
export class VirtioConsole implements VirtioFunction {
  readonly name: string;
  readonly deviceId = VIRTIO_CONSOLE_DEVICE_ID;
  readonly features = featureSet(VIRTIO_CONSOLE_F_SIZE, VIRTIO_CONSOLE_F_EMERG_WRITE);
  readonly queues = [{ chainBytesMaximum: BUFFER_BYTES_MAXIMUM }, { chainBytesMaximum: BUFFER_BYTES_MAXIMUM }];

  private readonly transmit: (bytes: Uint8Array) => void;
  private readonly waiting = new ByteQueue(CONSOLE_RECEIVE_QUEUE_BYTES);
  private columns: number;
  private rows: number;
  private transport!: VirtioTransport;

  /** `transmit` gets a view that is valid only during the call. */
  constructor(parts: { name: string; transmit: (bytes: Uint8Array) => void; columns: number; rows: number }) {
    checkSize(parts.columns, parts.rows);
    this.name = parts.name;
    this.transmit = parts.transmit;
    this.columns = parts.columns;
    this.rows = parts.rows;
  }

  /** How many bytes `receive` would take now. */
  get receiveSpace(): number {
    return this.waiting.space;
  }

  /** Bytes from outside. Takes as many from the front as there is space for, and returns how many. */
  receive(bytes: Uint8Array): number {
    const taken = this.waiting.push(bytes);
    this.deliver();
    return taken;
  }

  /** The terminal has another size, in characters. */
  resize(columns: number, rows: number): void {
    checkSize(columns, rows);
    if (columns === this.columns && rows === this.rows) return;
    this.columns = columns;
    this.rows = rows;
    if (this.transport.hasFeature(VIRTIO_CONSOLE_F_SIZE)) this.transport.configurationChanged();
  }

  connect(transport: VirtioTransport): void {
    this.transport = transport;
  }

  readConfiguration(offset: number, width: AccessWidth): number {
    const bytes = new Uint8Array(CONSOLE_CONFIGURATION_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint16(CONSOLE_CONFIGURATION_COLS, this.columns, true);
    view.setUint16(CONSOLE_CONFIGURATION_ROWS, this.rows, true);
    return readConfigurationBytes(bytes, offset, width);
  }

  /** 5.3.6.1: the emergency character works before the driver has set anything up. */
  writeConfiguration(offset: number, _width: AccessWidth, value: number): void {
    if (offset === CONSOLE_CONFIGURATION_EMERG_WR) this.transmit(Uint8Array.of(value & 0xff));
  }

  notify(queue: number): void {
    if (queue === CONSOLE_TRANSMIT_QUEUE) collectBytes(this.transport, queue, this.transmit);
    else this.deliver();
  }

  queueStopped(_queue: number): void {}

  /** The terminal's size is the host's and stays. */
  reset(): void {
    this.waiting.clear();
  }

  save(): PlainData {
    return { version: VERSION, waiting: this.waiting.toBytes(), columns: this.columns, rows: this.rows };
  }

  restore(state: PlainData): void {
    const reader = StateReader.part(this.name, state, VERSION, ['waiting', 'columns', 'rows']);
    const waiting = reader.bytes('waiting', CONSOLE_RECEIVE_QUEUE_BYTES);
    const columns = reader.integer('columns', 0xffff);
    const rows = reader.integer('rows', 0xffff);
    this.waiting.clear();
    this.waiting.push(waiting);
    this.columns = columns;
    this.rows = rows;
  }

  private deliver(): void {
    deliverBytes(this.transport, CONSOLE_RECEIVE_QUEUE, this.waiting);
  }
}

function checkSize(columns: number, rows: number): void {
  for (const size of [columns, rows]) {
    if (!Number.isInteger(size) || size < 0 || size > 0xffff) {
      throw new GodwitError('usage', `A terminal cannot have ${columns} columns and ${rows} rows.`);
    }
  }
}
