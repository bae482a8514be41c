import type { PlainData } from '../../../state/plain-data.ts';
import { StateReader } from '../../../state/state-reader.ts';
import { ByteQueue } from '../../byte-queue.ts';
import type { AccessWidth } from '../../device.ts';
import { readConfigurationBytes } from '../configuration.ts';
import { featureSet } from '../features.ts';
import type { VirtioFunction, VirtioTransport } from '../transport.ts';
import {
  CONSOLE_CONFIGURATION_BYTES,
  CONSOLE_CONFIGURATION_MAX_NR_PORTS,
  CONSOLE_CONTROL_BYTES,
  CONSOLE_CONTROL_EVENT,
  CONSOLE_CONTROL_RECEIVE_QUEUE,
  CONSOLE_CONTROL_TRANSMIT_QUEUE,
  CONSOLE_CONTROL_VALUE,
  CONSOLE_RECEIVE_QUEUE,
  CONSOLE_TRANSMIT_QUEUE,
  VIRTIO_CONSOLE_DEVICE_ID,
  VIRTIO_CONSOLE_DEVICE_READY,
  VIRTIO_CONSOLE_F_MULTIPORT,
  VIRTIO_CONSOLE_PORT_ADD,
  VIRTIO_CONSOLE_PORT_NAME,
  VIRTIO_CONSOLE_PORT_OPEN,
  VIRTIO_CONSOLE_PORT_READY,
} from './registers.ts';
import { collectBytes, deliverBytes } from './transfer.ts';

/** Of the saved state. */
const VERSION = 1;

/** Bytes from outside that wait until the guest gives buffers. */
export const PORT_RECEIVE_QUEUE_BYTES = 65536;
const BUFFER_BYTES_MAXIMUM = 1024 * 1024;
const CONTROL_BYTES_MAXIMUM = 4096;
/** Linux fills queues that it receives by with pages: enough of them for what waits here. */
const QUEUE_SIZE = 32;
/** Port 0 is for consoles, by custom. */
const PORT = 1;
const PORTS = PORT + 1;
const PORT_RECEIVE_QUEUE = 2 * PORT + 2;
const PORT_TRANSMIT_QUEUE = 2 * PORT + 3;
/** Control messages that wait for a driver that gives no buffers; one that asks for more has them already. */
const CONTROL_MESSAGES_MAXIMUM = 16;

export interface VirtioPortParts {
  readonly name: string;
  /** What the guest finds in /sys/class/virtio-ports/NAME/name: up to 64 ASCII characters. */
  readonly portName: string;
  /** Gets a view that is valid only during the call. */
  readonly transmit: (bytes: Uint8Array) => void;
  /** A program of the guest has opened the port, or none has it any more. */
  readonly opened: (isOpen: boolean) => void;
}

/**
 * Console device with one port that is no console but a stream of bytes between a program of the guest and the host,
 * found by its name (VIRTIO_CONSOLE_F_MULTIPORT). The host's end is always open. What comes from outside waits in a
 * bounded queue while a program has the guest's end open, and is dropped when none has.
 */
export class VirtioPort implements VirtioFunction {
  readonly name: string;
  readonly deviceId = VIRTIO_CONSOLE_DEVICE_ID;
  readonly features = featureSet(VIRTIO_CONSOLE_F_MULTIPORT);
  readonly queues = Array.from({ length: 2 * PORTS + 2 }, (_, queue) => ({
    chainBytesMaximum: isControl(queue) ? CONTROL_BYTES_MAXIMUM : BUFFER_BYTES_MAXIMUM,
    sizeMaximum: QUEUE_SIZE,
  }));

  private readonly portName: Uint8Array;
  private readonly transmit: (bytes: Uint8Array) => void;
  private readonly opened: (isOpen: boolean) => void;
  private readonly waiting = new ByteQueue(PORT_RECEIVE_QUEUE_BYTES);
  private control: Uint8Array[] = [];
  private open = false;
  private transport!: VirtioTransport;

  constructor({ name, portName, transmit, opened }: VirtioPortParts) {
    this.name = name;
    this.portName = Uint8Array.from(portName, (letter) => letter.charCodeAt(0));
    this.transmit = transmit;
    this.opened = opened;
  }

  /** Whether a program of the guest has the port open. */
  get isOpen(): boolean {
    return this.open;
  }

  /** How many bytes `receive` would take now. */
  get receiveSpace(): number {
    return this.waiting.space;
  }

  /** Bytes from outside. Takes as many from the front as there is space for, and returns how many. */
  receive(bytes: Uint8Array): number {
    if (!this.open) return bytes.length;
    const taken = this.waiting.push(bytes);
    this.deliver();
    return taken;
  }

  connect(transport: VirtioTransport): void {
    this.transport = transport;
  }

  readConfiguration(offset: number, width: AccessWidth): number {
    const bytes = new Uint8Array(CONSOLE_CONFIGURATION_BYTES);
    new DataView(bytes.buffer).setUint32(CONSOLE_CONFIGURATION_MAX_NR_PORTS, PORTS, true);
    return readConfigurationBytes(bytes, offset, width);
  }

  writeConfiguration(_offset: number, _width: AccessWidth, _value: number): void {}

  notify(queue: number): void {
    switch (queue) {
      case CONSOLE_CONTROL_RECEIVE_QUEUE:
        this.deliverControl();
        break;
      case CONSOLE_CONTROL_TRANSMIT_QUEUE:
        this.collectControl();
        break;
      case CONSOLE_TRANSMIT_QUEUE:
        // Of port 0, which there is not.
        collectBytes(this.transport, queue, () => {});
        break;
      case PORT_TRANSMIT_QUEUE:
        collectBytes(this.transport, queue, this.transmit);
        break;
      case PORT_RECEIVE_QUEUE:
        this.deliver();
        break;
      case CONSOLE_RECEIVE_QUEUE:
        break;
    }
  }

  queueStopped(_queue: number): void {}

  reset(): void {
    this.control = [];
    this.setOpen(false);
  }

  save(): PlainData {
    return {
      version: VERSION,
      waiting: this.waiting.toBytes(),
      control: this.control.map((message) => message.slice()),
      open: this.open,
    };
  }

  /** Nobody is told that the port is open: whoever restores can ask. */
  restore(state: PlainData): void {
    const reader = StateReader.part(this.name, state, VERSION, ['waiting', 'control', 'open']);
    const waiting = reader.bytes('waiting', PORT_RECEIVE_QUEUE_BYTES);
    const control = reader.list('control', 0, CONTROL_MESSAGES_MAXIMUM);
    const open = reader.flag('open');
    for (const message of control) {
      const sound = message instanceof Uint8Array && message.length <= CONTROL_BYTES_MAXIMUM;
      reader.require(sound, 'a control message is none');
    }
    this.waiting.clear();
    this.waiting.push(waiting);
    this.control = control as Uint8Array[];
    this.open = open;
  }

  private deliver(): void {
    deliverBytes(this.transport, PORT_RECEIVE_QUEUE, this.waiting);
  }

  private setOpen(open: boolean): void {
    // The guest's driver forgets what its program had not read.
    if (!open) this.waiting.clear();
    if (open === this.open) return;
    this.open = open;
    this.opened(open);
  }

  private collectControl(): void {
    const { memory } = this.transport;
    const queue = this.transport.queue(CONSOLE_CONTROL_TRANSMIT_QUEUE);
    queue.drain((chain) => {
      const message = new Uint8Array(CONSOLE_CONTROL_BYTES);
      let length = 0;
      for (const span of chain.readable) {
        const part = memory.bytes.subarray(span.offset, span.offset + span.length).subarray(0, message.length - length);
        message.set(part, length);
        length += part.length;
      }
      queue.push(chain.head, 0);
      if (length === message.length) this.takeControl(new DataView(message.buffer));
    });
    this.transport.signalUsed(CONSOLE_CONTROL_TRANSMIT_QUEUE);
    this.deliverControl();
  }

  /** 5.3.6.2. What the driver says of other ports, or that it could not add this one, changes nothing. */
  private takeControl(message: DataView): void {
    const port = message.getUint32(0, true);
    const value = message.getUint16(CONSOLE_CONTROL_VALUE, true);
    switch (message.getUint16(CONSOLE_CONTROL_EVENT, true)) {
      case VIRTIO_CONSOLE_DEVICE_READY:
        if (value === 1) this.sayControl(VIRTIO_CONSOLE_PORT_ADD, 1);
        break;
      case VIRTIO_CONSOLE_PORT_READY:
        if (port !== PORT || value !== 1) break;
        this.sayControl(VIRTIO_CONSOLE_PORT_NAME, 1, this.portName);
        this.sayControl(VIRTIO_CONSOLE_PORT_OPEN, 1);
        break;
      case VIRTIO_CONSOLE_PORT_OPEN:
        if (port === PORT) this.setOpen(value === 1);
        break;
    }
  }

  private sayControl(event: number, value: number, name: Uint8Array = new Uint8Array(0)): void {
    if (this.control.length >= CONTROL_MESSAGES_MAXIMUM) return;
    const message = new Uint8Array(CONSOLE_CONTROL_BYTES + name.length);
    const view = new DataView(message.buffer);
    view.setUint32(0, PORT, true);
    view.setUint16(CONSOLE_CONTROL_EVENT, event, true);
    view.setUint16(CONSOLE_CONTROL_VALUE, value, true);
    message.set(name, CONSOLE_CONTROL_BYTES);
    this.control.push(message);
  }

  private deliverControl(): void {
    if (!this.transport.running) return;
    const { memory } = this.transport;
    const queue = this.transport.queue(CONSOLE_CONTROL_RECEIVE_QUEUE);
    queue.drain(
      (chain) => {
        const message = this.control.shift()!;
        let written = 0;
        for (const { offset, length } of chain.writable) {
          const part = message.subarray(written, written + length);
          memory.bytes.set(part, offset);
          written += part.length;
        }
        queue.push(chain.head, written);
      },
      () => this.control.length > 0,
    );
    this.transport.signalUsed(CONSOLE_CONTROL_RECEIVE_QUEUE);
  }
}

function isControl(queue: number): boolean {
  return queue === CONSOLE_CONTROL_RECEIVE_QUEUE || queue === CONSOLE_CONTROL_TRANSMIT_QUEUE;
}
