import { strFromU8, strToU8 } from 'fflate';

/** The core has no TextDecoder in its types; the compression library brings the same. Bad bytes become U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  return strFromU8(bytes);
}

export function encodeUtf8(text: string): Uint8Array {
  return strToU8(text);
}
