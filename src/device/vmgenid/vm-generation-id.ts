import { GodwitError } from '../../common/errors.ts';
import type { PlainData } from '../../state/plain-data.ts';
import { StateReader } from '../../state/state-reader.ts';
import type { AccessWidth, InterruptLine, MmioDevice } from '../device.ts';
import { VMGENID_BYTES, VMGENID_SIZE_BYTES } from './registers.ts';

/** Of the saved state. */
const VERSION = 1;

const ALL_BYTES = 2 ** VMGENID_BYTES - 1;

/**
 * VM generation id. The binding has no register to acknowledge its interrupt, and drivers expect an edge; but the
 * gateway of a PLIC may ignore an edge that comes while an earlier one is served. So the line stays up until the guest
 * has read each byte of the new id: a change is never missed, nor an id read half old and half new taken for the last
 * word.
 *
 * A guest that has not read the id yet is told nothing: it will read the new one. Linux asks for the interrupt a moment
 * before it is ready for one, so an interrupt that waits for its driver would be the end of it.
 */
export class VmGenerationId implements MmioDevice {
  readonly name = 'vmgenid';
  readonly sizeBytes = VMGENID_SIZE_BYTES;

  private readonly line: InterruptLine;
  private readonly id = new Uint8Array(VMGENID_BYTES);
  /** One bit for each byte of the id that has not been read since it changed, or since the machine began to run. */
  private unread = ALL_BYTES;
  /** The guest has read an id since then. */
  private known = false;

  constructor(parts: { line: InterruptLine }) {
    this.line = parts.line;
  }

  /** The id that the machine starts with, before the guest runs: no change. */
  begin(id: Uint8Array): void {
    if (id.length !== VMGENID_BYTES) throw new GodwitError('usage', `a VM generation id has ${VMGENID_BYTES} bytes`);
    this.id.set(id);
  }

  /** The machine is another one from here on. */
  change(id: Uint8Array): void {
    this.begin(id);
    this.unread = ALL_BYTES;
    this.updateLine();
  }

  read(offset: number, width: AccessWidth): number {
    let value = 0;
    for (let index = 0; index < width; index++) value += this.readByte(offset + index) * 2 ** (8 * index);
    if (this.unread === 0) {
      this.known = true;
      this.updateLine();
    }
    return value;
  }

  private readByte(offset: number): number {
    if (offset >= VMGENID_BYTES) return 0;
    this.unread &= ~(1 << offset);
    return this.id[offset]!;
  }

  write(_offset: number, _width: AccessWidth, _value: number): void {}

  /** The machine stays the same one. Who starts anew reads the id anyway. */
  reset(): void {
    this.unread = ALL_BYTES;
    this.known = false;
    this.updateLine();
  }

  save(): PlainData {
    return { version: VERSION, id: this.id.slice(), unread: this.unread, known: this.known };
  }

  restore(state: PlainData): void {
    const reader = StateReader.part(this.name, state, VERSION, ['id', 'unread', 'known']);
    const id = reader.bytes('id', VMGENID_BYTES);
    reader.require(id.length === VMGENID_BYTES, 'the id is too short');
    const unread = reader.integer('unread', ALL_BYTES);
    const known = reader.flag('known');
    this.id.set(id);
    this.unread = unread;
    this.known = known;
    this.updateLine();
  }

  private updateLine(): void {
    this.line.set(this.known && this.unread !== 0);
  }
}
