/**
 * Reading and writing messages of 9P. Names and other texts are bytes to this protocol and to Linux; here they are
 * strings with one character, 0 to 255, for each byte, which can be compared and kept in maps.
 */
import { ShareFault } from './errno.ts';
import { ERROR_BYTES, HEADER_BYTES, HEADER_TAG, HEADER_TYPE, R_LERROR } from './layout.ts';

/** The fields of a request, one after the other. Throws ShareFault('EINVAL') where one is missing. */
export class MessageReader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = HEADER_BYTES;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private skip(length: number): number {
    const { at } = this;
    if (length > this.bytes.length - at) throw new ShareFault('EINVAL');
    this.at += length;
    return at;
  }

  u8(): number {
    return this.view.getUint8(this.skip(1));
  }

  u16(): number {
    return this.view.getUint16(this.skip(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.skip(4), true);
  }

  u64(): bigint {
    return this.view.getBigUint64(this.skip(8), true);
  }

  text(): string {
    const length = this.u16();
    const at = this.skip(length);
    return textOfBytes(this.bytes.subarray(at, at + length));
  }

  /** A view. */
  data(length: number): Uint8Array {
    const at = this.skip(length);
    return this.bytes.subarray(at, at + length);
  }
}

/** An answer, of a kind whose fields follow one another. */
export class MessageWriter {
  private bytes: Uint8Array;
  private view: DataView;
  private at = HEADER_BYTES;

  /** `roomBytes`: what it will probably have. */
  constructor(roomBytes = 192) {
    this.bytes = new Uint8Array(roomBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  get length(): number {
    return this.at;
  }

  private reserve(length: number): number {
    const { at } = this;
    this.at += length;
    if (this.at > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.at, 2 * this.bytes.length));
      grown.set(this.bytes.subarray(0, at));
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    return at;
  }

  u8(value: number): this {
    const at = this.reserve(1);
    this.view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.reserve(2);
    this.view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.reserve(4);
    this.view.setUint32(at, value, true);
    return this;
  }

  /** Over what was written at an offset before. */
  setU32(at: number, value: number): this {
    this.view.setUint32(at, value, true);
    return this;
  }

  u64(value: bigint): this {
    const at = this.reserve(8);
    this.view.setBigUint64(at, value, true);
    return this;
  }

  text(text: string): this {
    this.u16(text.length);
    const at = this.reserve(text.length);
    for (let index = 0; index < text.length; index++) this.bytes[at + index] = text.charCodeAt(index);
    return this;
  }

  /** With its header. */
  finish(type: number, tag: number): Uint8Array {
    const message = this.bytes.subarray(0, this.at);
    writeHeader(message, type, tag);
    return message;
  }
}

export function writeHeader(message: Uint8Array, type: number, tag: number): void {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  view.setUint32(0, message.length, true);
  view.setUint8(HEADER_TYPE, type);
  view.setUint16(HEADER_TAG, tag, true);
}

export function tagOf(message: Uint8Array): number {
  return (message[HEADER_TAG] ?? 0) | ((message[HEADER_TAG + 1] ?? 0) << 8);
}

export function errorReply(tag: number, errno: number): Uint8Array {
  return new MessageWriter(ERROR_BYTES).u32(errno).finish(R_LERROR, tag);
}

export function textOfBytes(bytes: Uint8Array): string {
  let text = '';
  // In pieces: so many arguments a call can have.
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}

export function bytesOfText(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
