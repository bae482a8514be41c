/**
 * Core-local interruptor, as in SiFive's FU540 manual, chapter 9, and on QEMU's `virt` board.
 *
 *   offset            access   width   meaning
 *   0x0000 + 4*hart   rw       4       msip: bit 0 drives mip.MSIP, the others read as 0
 *   0x4000 + 8*hart   rw       4, 8    mtimecmp: mip.MTIP is high while mtime >= mtimecmp
 *   0xbff8            r        4, 8    mtime: ticks of 10 MHz
 */
export const CLINT_SIZE_BYTES = 0x10000;
export const CLINT_MSIP = 0x0000;
export const CLINT_MTIMECMP = 0x4000;
export const CLINT_MTIME = 0xbff8;

/** Between mtimecmp's start and mtime there is room for this many harts. */
export const CLINT_MAX_HARTS = (CLINT_MTIME - CLINT_MTIMECMP) / 8;
