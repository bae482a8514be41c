/** What host and agent say to each other: guest-agent/protocol.h has the words for it. */

export const AGENT_VERSION = 1;
const MAGIC = 0x31414757;
const CHECK = 0x5a3c96a5;
const HEADER_BYTES = 16;
const CHECK_BYTES = 4;
/** Of a frame to the agent and one from it. */
export const TO_AGENT_BYTES = 4096;
const FROM_AGENT_BYTES = 16384;
/** Of a frame to it; whole words are quicker for it. */
const PAYLOAD_BYTES = TO_AGENT_BYTES - HEADER_BYTES - CHECK_BYTES - 4;
/** What each side may send of a stream at the beginning. */
export const WINDOW_BYTES = 65536;

export const Type = {
  hello: 1,
  clock: 2,
  arguments: 3,
  start: 4,
  input: 5,
  inputEnd: 6,
  credit: 7,
  signal: 8,
  resize: 9,
  cancel: 10,
  output: 11,
  errors: 12,
  exit: 13,
} as const;

export interface Frame {
  readonly type: number;
  readonly session: number;
  readonly request: number;
  /** Valid only during the call. */
  readonly payload: Uint8Array;
}

export function encodeFrame(session: number, request: number, type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + payload.length + CHECK_BYTES);
  const view = new DataView(frame.buffer);
  const last = (type | (payload.length << 16)) >>> 0;
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, session, true);
  view.setUint32(8, request, true);
  view.setUint32(12, last, true);
  frame.set(payload, HEADER_BYTES);
  view.setUint32(HEADER_BYTES + payload.length, (MAGIC ^ session ^ request ^ last ^ CHECK) >>> 0, true);
  return frame;
}

/** As many frames as it takes, one after the other. */
export function encodeFrames(session: number, request: number, type: number, bytes: Uint8Array): Uint8Array {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += PAYLOAD_BYTES) {
    frames.push(encodeFrame(session, request, type, bytes.subarray(at, at + PAYLOAD_BYTES)));
  }
  return concatenate(frames);
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Finds the frames in what an agent sends. What is none is passed over: it may be the rest of one that was cut off. */
export class FrameReader {
  private readonly bytes = new Uint8Array(2 * FROM_AGENT_BYTES);
  private readonly view = new DataView(this.bytes.buffer);
  private length = 0;

  push(bytes: Uint8Array, take: (frame: Frame) => void): void {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + this.bytes.length - this.length);
      this.bytes.set(part, this.length);
      this.length += part.length;
      at += part.length;
      this.takeFrames(take);
    }
  }

  private takeFrames(take: (frame: Frame) => void): void {
    let at = 0;
    for (let done = 1; done > 0; at += done) {
      while (at + 4 <= this.length && this.view.getUint32(at, true) !== MAGIC) at++;
      done = this.takeFrame(at, take);
    }
    this.bytes.copyWithin(0, at, this.length);
    this.length -= at;
  }

  /** How many bytes are done with; 0: more must come. */
  private takeFrame(at: number, take: (frame: Frame) => void): number {
    const { view } = this;
    const count = this.length - at;
    if (count < HEADER_BYTES) return 0;
    const payloadBytes = view.getUint16(at + 14, true);
    const whole = HEADER_BYTES + payloadBytes + CHECK_BYTES;
    if (whole > FROM_AGENT_BYTES) return 1;
    if (count < whole) return 0;
    let sum = CHECK;
    for (let word = 0; word < HEADER_BYTES; word += 4) sum ^= view.getUint32(at + word, true);
    const start = at + HEADER_BYTES;
    if (sum >>> 0 !== view.getUint32(start + payloadBytes, true)) return 1;
    take({
      type: view.getUint16(at + 12, true),
      session: view.getUint32(at + 4, true),
      request: view.getUint32(at + 8, true),
      payload: this.bytes.subarray(start, start + payloadBytes),
    });
    return whole;
  }
}
