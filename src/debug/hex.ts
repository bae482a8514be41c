/** Numbers and bytes as the gdb remote protocol writes them. */

const DIGITS = /^[0-9a-f]+$/i;
const ADDRESS_DIGITS = 16;

/** A number of up to 64 bits, most significant digit first; undefined for anything else. */
export function parseAddress(text: string): bigint | undefined {
  return DIGITS.test(text) && text.length <= ADDRESS_DIGITS ? BigInt(`0x${text}`) : undefined;
}

/** A count that fits a number and is not absurd. */
export function parseCount(text: string): number | undefined {
  const value = parseAddress(text);
  return value !== undefined && value <= 0xffff_ffffn ? Number(value) : undefined;
}

export function bytesToHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

export function hexToBytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 2 !== 0 || (text !== '' && !DIGITS.test(text))) return undefined;
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

/** A register's value in the target's byte order, which is little-endian. */
export function valueToHex(value: bigint, bytes = 8): string {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
  return bytesToHex(out.subarray(0, bytes));
}

export function hexToValue(text: string): bigint | undefined {
  const bytes = hexToBytes(text);
  if (!bytes || bytes.length === 0 || bytes.length > 8) return undefined;
  const whole = new Uint8Array(8);
  whole.set(bytes);
  return new DataView(whole.buffer).getBigUint64(0, true);
}

/** One character for each byte, which is all that the protocol knows. */
export function bytesToText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

export function textToBytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0xff);
}

export function textToHex(text: string): string {
  return bytesToHex(textToBytes(text));
}

export function formatAddress(address: bigint): string {
  return `0x${BigInt.asUintN(64, address).toString(16)}`;
}
