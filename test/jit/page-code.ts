import type { PageCode } from '../../src/execute/jit/blocks.ts';
import { decode } from '../../src/isa/index.ts';
import { FRAME_BYTES } from '../../src/memory/layout.ts';

export interface PageCodeOptions {
  /** Offsets of instructions that were never executed. */
  readonly cold?: readonly number[];
  /** Offsets that indirect jumps went to, hottest first. */
  readonly indirectTargets?: readonly number[];
}

/** A page that holds `bytes` from its start on, all of which was executed before. */
export function pageCode(bytes: Uint8Array, { cold = [], indirectTargets = [] }: PageCodeOptions = {}): PageCode {
  const page = new DataView(new ArrayBuffer(FRAME_BYTES));
  bytes.forEach((byte, i) => {
    page.setUint8(i, byte);
  });
  return {
    read: (offset) => {
      const low = page.getUint16(offset, true);
      if ((low & 3) !== 3) return decode(low);
      return offset > FRAME_BYTES - 4 ? undefined : decode(page.getInt32(offset, true));
    },
    wasExecuted: (offset) => offset < bytes.length && !cold.includes(offset),
    indirectTargets: () => indirectTargets,
  };
}
