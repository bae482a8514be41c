import type { PlainData } from '../state/plain-data.ts';

/** A 64-bit hash of plain data that does not depend on the order in which an object's keys were added. */
export function digestOf(data: PlainData): bigint {
  const hash = new PlainHash();
  hash.add(data);
  return hash.finish();
}

class PlainHash {
  private low = 0x811c9dc5;
  private high = 0x9e3779b9;

  private word(value: number): void {
    this.low = Math.imul(this.low ^ value, 0x85ebca6b);
    this.low ^= this.low >>> 13;
    this.high = Math.imul(this.high ^ value, 0xc2b2ae35);
    this.high ^= this.high >>> 15;
  }

  private text(value: string): void {
    this.word(value.length);
    for (let i = 0; i < value.length; i++) this.word(value.charCodeAt(i));
  }

  add(data: PlainData): void {
    if (data instanceof Uint8Array) {
      this.text('bytes');
      this.word(data.length);
      for (const byte of data) this.word(byte);
    } else if (Array.isArray(data)) {
      this.text('list');
      this.word(data.length);
      for (const item of data) this.add(item);
    } else if (data !== null && typeof data === 'object') {
      this.text('object');
      for (const key of Object.keys(data).sort()) {
        this.text(key);
        this.add(data[key]!);
      }
    } else {
      this.text(typeof data);
      this.text(String(data));
    }
  }

  finish(): bigint {
    return (BigInt(this.high >>> 0) << 32n) | BigInt(this.low >>> 0);
  }
}
