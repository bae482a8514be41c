/** So many random bytes as hexadecimal digits. */
export function randomHex(lengthBytes: number): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(lengthBytes));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
