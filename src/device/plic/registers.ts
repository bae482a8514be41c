/**
 * Platform-level interrupt controller (RISC-V PLIC specification 1.0.0, chapter 3 "Memory Map"). 32-bit registers.
 *
 *   offset                         access   meaning
 *   0x000000 + 4*source            rw       priority of a source, 0 never interrupts (chapter 4)
 *   0x001000 + 4*(source/32)       r        pending bits (chapter 5)
 *   0x002000 + 0x80*context + 4*w  rw       enable bits of a context, word w (chapter 6)
 *   0x200000 + 0x1000*context      rw       priority threshold of a context (chapter 7)
 *   0x200004 + 0x1000*context      rw       read: claim (chapter 8); write: completion (chapter 9)
 *
 * Source 0 does not exist. Context 2*hart is the hart's M-mode, context 2*hart+1 its S-mode, as on QEMU's `virt` board.
 */
export const PLIC_SIZE_BYTES = 0x60_0000;
export const PLIC_PRIORITY = 0x0;
export const PLIC_PENDING = 0x1000;
export const PLIC_ENABLE = 0x2000;
export const PLIC_ENABLE_STRIDE = 0x80;
export const PLIC_CONTEXT = 0x20_0000;
export const PLIC_CONTEXT_STRIDE = 0x1000;
export const PLIC_CONTEXT_THRESHOLD = 0x0;
export const PLIC_CONTEXT_CLAIM = 0x4;

/** `riscv,ndev` in the device tree: sources are numbered from 1 to this. */
export const PLIC_SOURCE_COUNT = 96;
/** Words of a bit array over all sources, bit 0 of word 0 being the source that does not exist. */
export const PLIC_WORD_COUNT = (PLIC_SOURCE_COUNT >> 5) + 1;
/** Priorities and thresholds are 3 bits wide. */
export const PLIC_PRIORITY_MASK = 7;
/** The address range has room for this many. */
export const PLIC_MAX_CONTEXTS = (PLIC_SIZE_BYTES - PLIC_CONTEXT) / PLIC_CONTEXT_STRIDE;
