import type { AccessWidth } from '../device.ts';

/** Reads a little-endian field of a configuration space; bytes past its end are 0. */
export function readConfigurationBytes(bytes: Uint8Array, offset: number, width: AccessWidth): number {
  let value = 0;
  for (let index = width - 1; index >= 0; index--) value = value * 256 + (bytes[offset + index] ?? 0);
  return value;
}
