import { invariant } from '../../common/invariant.ts';
import type { GuestMemory } from '../../device/device.ts';
import type { BootPlan } from './plan.ts';
import type { LoadedPiece } from './ram-plan.ts';

/** Written in steps of this size, so that no list of frames grows long. */
const STEP_BYTES = 1024 * 1024;

/** Writes all pieces of a plan into the memory that it was made for. */
export function loadBoot(plan: BootPlan, memory: GuestMemory): void {
  for (const piece of plan.pieces) loadPiece(piece, memory);
}

function loadPiece({ what, address, bytes, sizeBytes }: LoadedPiece, memory: GuestMemory): void {
  for (let done = 0; done < sizeBytes; done += STEP_BYTES) {
    const step = Math.min(STEP_BYTES, sizeBytes - done);
    const spans = memory.spans(address + BigInt(done), step, 'write');
    invariant(spans, `there is memory where ${what} is to be loaded`);
    let from = done;
    for (const { offset, length } of spans) {
      const part = bytes.subarray(from, from + length);
      memory.bytes.set(part, offset);
      memory.bytes.fill(0, offset + part.length, offset + length);
      from += length;
    }
  }
}
