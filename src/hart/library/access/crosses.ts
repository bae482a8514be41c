import type { I32, I64 } from '../../../execute/wasm/index.ts';

/** True for the last bytes of a page and the first of the next in one access. */
export function crosses(address: I64, width: I32): I32 {
  return address.wrap().and(4095).add(width).gtU(4096);
}
