/** Bytes in JSON: each is the character of its number, U+0000 to U+00FF. */

import { GodwitError } from '../../common/errors.ts';
import type { Schema } from '../../common/schema.ts';

/** At a time: as many as `String.fromCharCode` surely takes. */
const PIECE_BYTES = 4096;

export function textOfBytes(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    text += String.fromCharCode(...bytes.subarray(at, at + PIECE_BYTES));
  }
  return text;
}

export function bytesOfText(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
}

/** A text that stands for bytes, so many at most. */
export function byteText(limitBytes: number): Schema<string> {
  const json = { type: 'string', maxLength: limitBytes, pattern: '^[\\u0000-\\u00ff]*$' };
  const parse = (value: unknown, name: string): string => {
    if (typeof value === 'string' && value.length <= limitBytes && !/[^\0-\xff]/.test(value)) return value;
    throw new GodwitError(
      'usage',
      `The request makes no sense: "${name}" is up to ${limitBytes} bytes, each as a character up to U+00FF.`,
    );
  };
  return { json, parse };
}
