/**
 * VM generation id ("microsoft,vmgenid" in the device tree; Microsoft, "Virtual Machine Generation ID"): 16 bytes that
 * differ between any two machines that go on from the same state.
 *
 *   offset   access   width     meaning
 *   0x0      r        1, 2, 4   the id, as 16 bytes of memory; any alignment
 */
export const VMGENID_SIZE_BYTES = 0x1000;
export const VMGENID_BYTES = 16;
