import type { PageCode } from '../../src/execute/jit/blocks.ts';
import { decode } from '../../src/isa/index.ts';
import { FRAME_BYTES } from '../../src/memory/layout.ts';

export interface PageCodeOptions {
  /** Offsets of instructions that were never executed. */
  readonly cold?: readonly number[];
  /** Offsets that indirect jumps went to, hottest first. */
  readonly indirectTargets?: readonly number[];
}

/** Pages that hold `bytes` from the start of the first on, all of which was executed before. */
export function pageCode(bytes: Uint8Array, { cold = [], indirectTargets = [] }: PageCodeOptions = {}): PageCode {
  const pages = Math.ceil(bytes.length / FRAME_BYTES);
  const page = new DataView(new ArrayBuffer(pages * FRAME_BYTES));
  bytes.forEach((byte, i) => {
    page.setUint8(i, byte);
  });
  return {
    reaches: (offset) => offset >= 0 && offset < pages * FRAME_BYTES,
    read: (offset) => {
      const low = page.getUint16(offset, true);
      if ((low & 3) !== 3) return decode(low);
      return (offset & (FRAME_BYTES - 1)) > FRAME_BYTES - 4 ? undefined : decode(page.getInt32(offset, true));
    },
    wasExecuted: (offset) => offset < bytes.length && !cold.includes(offset),
    indirectTargets: () => indirectTargets,
  };
}
