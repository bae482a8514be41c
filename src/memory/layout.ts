/**
 * Where things lie in a machine's WebAssembly.Memory, and how guest-physical memory maps to frames.
 *
 *     0x0        one empty page: address 0 stands for "none"
 *     frame table  u32 per frame of the memory: address of the frame's decoded page, 0 when none
 *     references   u32 per frame of the memory: how many maps (for leaves: roots) name it
 *     blocks       harts, maps, decoded pages, frames: given out by Arena
 *
 * Guest-physical map: a root of 1024 u32, each the address of a leaf (0: none) that covers 4 MiB | LEAF_SHARED; a leaf
 * is 1024 u32, one per page: host offset of the frame | FRAME_* flags. Both are frames themselves. Two levels, so that
 * a fork copies 4 KiB and shares the leaves.
 */
export const FRAME_BYTES = 4096;
export const MAP_ENTRIES = 1024;

/** A frame stands behind the page. */
export const FRAME_PRESENT = 1;
/** The guest may write the frame as it is; else a write asks the host first. */
export const FRAME_WRITABLE = 2;

/** In the root: other roots name the leaf too, or its flags say nothing: no page of it is writable as it is. */
export const LEAF_SHARED = 1;

/** Guest RAM starts here on the board. */
export const RAM_BASE = 0x8000_0000;
