/**
 * Test finisher (SiFive test device, "sifive,test1" in the device tree).
 *
 *   offset   access   width   meaning
 *   0x0      w        2, 4    bits 15:0 what to do, bits 31:16 exit code
 */
export const FINISHER_SIZE_BYTES = 0x1000;
export const FINISHER_STATUS = 0x0;

export const FINISHER_FAIL = 0x3333;
export const FINISHER_PASS = 0x5555;
export const FINISHER_RESET = 0x7777;
