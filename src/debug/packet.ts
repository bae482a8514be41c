import { textToBytes } from './hex.ts';

/**
 * Framing of the gdb remote protocol (gdb manual, E.1):
 *
 *     $ body # checksum     a packet; the checksum is the sum of the body's bytes modulo 256, as two digits
 *     + -                   the last packet was received, or is wanted again
 *     0x03                  an interrupt
 */
const DOLLAR = 0x24;
const HASH = 0x23;
const STAR = 0x2a;
const PLUS = 0x2b;
const MINUS = 0x2d;
const ESCAPE = 0x7d;
const ESCAPED_BIT = 0x20;
const INTERRUPT = 0x03;

/** Bodies of packets, both ways. */
export const PACKET_BYTES = 0x4000;

export type Received =
  | { readonly kind: 'packet'; readonly body: Uint8Array }
  /** A packet that is too long or has a wrong checksum. */
  | { readonly kind: 'damaged' }
  | { readonly kind: 'acknowledged' | 'wanted-again' | 'interrupt' };

/** Finds packets in a stream that comes in pieces. Keeps one body's worth of bytes, whatever comes. */
export class PacketReader {
  private readonly body = new Uint8Array(PACKET_BYTES);
  private length = 0;
  private state: 'outside' | 'body' | 'checksum' = 'outside';
  private checksum = '';

  *read(bytes: Uint8Array): Generator<Received> {
    for (const byte of bytes) {
      const received = this.take(byte);
      if (received) yield received;
    }
  }

  private take(byte: number): Received | undefined {
    if (this.state === 'outside') return this.outside(byte);
    if (this.state === 'checksum') return this.end(byte);
    // A dollar sign does not occur in a body: the packet before it was cut off.
    if (byte === DOLLAR) this.begin();
    else if (byte === HASH) this.state = 'checksum';
    else {
      if (this.length < PACKET_BYTES) this.body[this.length] = byte;
      this.length++;
    }
    return undefined;
  }

  private begin(): void {
    this.state = 'body';
    this.length = 0;
    this.checksum = '';
  }

  private outside(byte: number): Received | undefined {
    if (byte === DOLLAR) this.begin();
    if (byte === PLUS) return { kind: 'acknowledged' };
    if (byte === MINUS) return { kind: 'wanted-again' };
    if (byte === INTERRUPT) return { kind: 'interrupt' };
    return undefined;
  }

  private end(byte: number): Received | undefined {
    this.checksum += String.fromCharCode(byte);
    if (this.checksum.length < 2) return undefined;
    this.state = 'outside';
    if (this.length > PACKET_BYTES) return { kind: 'damaged' };
    const body = this.body.slice(0, this.length);
    const right = Number.parseInt(this.checksum, 16) === checksumOf(body);
    return right ? { kind: 'packet', body } : { kind: 'damaged' };
  }
}

function checksumOf(body: Uint8Array): number {
  return body.reduce((sum, byte) => (sum + byte) & 0xff, 0);
}

function isSpecial(byte: number): boolean {
  return byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === STAR;
}

/** A reply as it goes over the wire. */
export function encodePacket(text: string): Uint8Array<ArrayBuffer> {
  const escaped: number[] = [];
  for (const byte of textToBytes(text)) {
    if (isSpecial(byte)) escaped.push(ESCAPE, byte ^ ESCAPED_BIT);
    else escaped.push(byte);
  }
  const sum = escaped.reduce((total, byte) => (total + byte) & 0xff, 0);
  const tail = textToBytes(`#${sum.toString(16).padStart(2, '0')}`);
  return Uint8Array.from([DOLLAR, ...escaped, ...tail]);
}

/** Takes the escapes out of binary data in a packet's body. */
export function removeEscapes(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(data.length);
  let length = 0;
  for (let i = 0; i < data.length; i++) {
    const escaped = data[i] === ESCAPE && i + 1 < data.length;
    out[length++] = escaped ? data[++i]! ^ ESCAPED_BIT : data[i]!;
  }
  return out.slice(0, length);
}
