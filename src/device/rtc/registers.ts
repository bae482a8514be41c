/**
 * Goldfish real-time clock (GOLDFISH-VIRTUAL-HARDWARE.TXT, "Goldfish RTC"). 32-bit registers; times are nanoseconds
 * since 1970 in two halves.
 *
 *   offset   access   meaning
 *   0x00     rw       TIME_LOW: reading it takes the time and latches TIME_HIGH; writing sets bits 31:0
 *   0x04     rw       TIME_HIGH: bits 63:32 as of the last read of TIME_LOW; writing sets bits 63:32 of the time
 *   0x08     rw       ALARM_LOW: writing it arms the alarm, so it is written after ALARM_HIGH
 *   0x0c     rw       ALARM_HIGH
 *   0x10     rw       IRQ_ENABLED: bit 0
 *   0x14     w        CLEAR_ALARM: any value disarms the alarm
 *   0x18     r        ALARM_STATUS: 1 while the alarm is armed
 *   0x1c     w        CLEAR_INTERRUPT: any value takes the interrupt back
 */
export const RTC_SIZE_BYTES = 0x1000;
export const RTC_TIME_LOW = 0x00;
export const RTC_TIME_HIGH = 0x04;
export const RTC_ALARM_LOW = 0x08;
export const RTC_ALARM_HIGH = 0x0c;
export const RTC_IRQ_ENABLED = 0x10;
export const RTC_CLEAR_ALARM = 0x14;
export const RTC_ALARM_STATUS = 0x18;
export const RTC_CLEAR_INTERRUPT = 0x1c;
