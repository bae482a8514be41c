import { invariant } from '../common/invariant.ts';
import type { I32 } from '../execute/wasm/index.ts';

/**
 * Decoded pages: what the interpreter runs. A frame that holds code has a decoded page with one slot for each halfword:
 *
 *     slot (8 bytes)   0  u16  handler; 0: not decoded yet
 *                      2  u8   first operand:  rd * 8, or rs2 * 8 where there is no rd
 *                      3  u8   second operand: rs1 * 8, or a 5-bit immediate
 *                      4  i32  immediate; or u8 rs2 * 8, u8 rs3 * 8, u8 rounding mode
 *     page             0       2048 slots
 *                      16384   two slots that stand for "the next page"
 *                      16400   u32  host address of the frame
 *                      16404   i32  stores to the frame in a row that hit nothing decoded
 *                      16408   u32  version of the frame (memory/arena.ts) that is decoded here
 *                      16416   16 x u32  links: decoded pages that regions of this one have code of, 0 for none
 *                      16512   u16 for each slot: how often control came here by a transfer
 *                      20608   u16 for each slot: number of the region in the table that starts here, 0 for none
 *                      24704   u16 for each slot: its handler, where OP_REGION stands in its place
 *                      28800   u16 for each slot: where its indirect jump went last:
 *                              0 unknown, TARGET_ELSEWHERE, or the offset in the
 *                              page with TARGET_IN_PAGE. A hint: what another frame left there does no harm
 *
 * Register numbers are stored as byte offsets. Writes to x0 are decoded away or undone by the handler.
 */
export const SLOT_BYTES = 8;
export const SLOT_OP = 0;
export const SLOT_A = 2;
export const SLOT_B = 3;
export const SLOT_IMMEDIATE = 4;
export const SLOT_C = 4;
export const SLOT_D = 5;
export const SLOT_ROUNDING = 6;

export const SLOTS_BYTES = 2048 * SLOT_BYTES;
export const SLOTS_END_GUARD = SLOTS_BYTES;
export const SLOTS_FRAME = SLOTS_BYTES + 2 * SLOT_BYTES;
export const SLOTS_IDLE_STORES = SLOTS_FRAME + 4;
export const SLOTS_VERSION = SLOTS_FRAME + 8;
export const SLOTS_LINKS = SLOTS_FRAME + 16;
export const LINKS = 16;
export const SLOTS_HEAT = SLOTS_BYTES + 128;
export const SLOTS_REGION = SLOTS_HEAT + 4096;
export const SLOTS_REPLACED_OP = SLOTS_REGION + 4096;
export const SLOTS_TARGET = SLOTS_REPLACED_OP + 4096;
export const DECODED_PAGE_BYTES = SLOTS_TARGET + 4096;

invariant(SLOT_BYTES === 8, 'decodedSlot and besideSlot count with slots of 8 bytes');
invariant(SLOTS_LINKS + 4 * LINKS <= SLOTS_HEAT, 'the links of a page end before the counts of its slots');

export const TARGET_IN_PAGE = 1;
export const TARGET_ELSEWHERE = 2;

/** After so many stores it is asked whether anything is decoded there at all. */
export const IDLE_STORES_LIMIT = 64;

/** Handlers that are no instruction. */
export const OP_UNDECODED = 0;
export const OP_PAGE_END = 1;
export const OP_CROSSING = 2;
/** A translated region starts here. */
export const OP_REGION = 3;
export const FIRST_INSTRUCTION_OP = 4;

/** Address of the slot for a byte offset in the page. */
export function decodedSlot(page: I32, offset: I32): I32 {
  return page.add(offset.and(0xffe).shl(2));
}

/** What the offsets of the arrays with a u16 for each slot count from, for one slot of a page. */
export function besideSlot(page: I32, slot: I32): I32 {
  return page.add(slot.sub(page).shrU(2));
}

/** Names of the reasons for which control leaves translated code. */
export type RegionExitName = 'otherPage' | 'untranslated' | 'event' | 'memory' | 'system' | 'float' | 'guard';

/** Why control left translated code (execute/jit): what a region returns. PC is set. */
export const RegionExit = {
  /** Go on at PC, in a page that the fetch TLB does not have. */
  otherPage: 0,
  /** Go on at PC, where no region starts. */
  untranslated: 1,
  /** BRANCHES reached STOP_BRANCHES. */
  event: 2,
  // From here on: interpret the one instruction at PC.
  /** The TLB does not allow the access as it is. */
  memory: 3,
  /** An instruction that only the interpreter does. */
  system: 4,
  /** Floating point that the host's unit does not do exactly, or that is switched off. */
  float: 5,
  /** It would raise an exception, or its CSR has effects beyond itself. */
  guard: 6,
} as const satisfies Readonly<Record<RegionExitName, number>>;
export type RegionExit = (typeof RegionExit)[keyof typeof RegionExit];
export const FIRST_INTERPRETED_EXIT = RegionExit.memory;
export const REGION_EXITS = Object.keys(RegionExit) as RegionExitName[];
