/**
 * 16550A UART (National Semiconductor PC16550D data sheet, section 8 "Registers"). 8-bit registers, one per byte.
 *
 *   offset   DLAB   access   meaning
 *   0        0      r        RBR  receiver buffer
 *   0        0      w        THR  transmitter holding register
 *   0        1      rw       DLL  divisor latch, low byte
 *   1        0      rw       IER  interrupt enable
 *   1        1      rw       DLM  divisor latch, high byte
 *   2        -      r        IIR  interrupt identification
 *   2        -      w        FCR  FIFO control
 *   3        -      rw       LCR  line control
 *   4        -      rw       MCR  modem control
 *   5        -      r        LSR  line status
 *   6        -      r        MSR  modem status
 *   7        -      rw       SCR  scratch
 */
export const UART_SIZE_BYTES = 0x100;
export const UART_RBR_THR_DLL = 0;
export const UART_IER_DLM = 1;
export const UART_IIR_FCR = 2;
export const UART_LCR = 3;
export const UART_MCR = 4;
export const UART_LSR = 5;
export const UART_MSR = 6;
export const UART_SCR = 7;

/** Interrupt enable (8.7). */
export const IER_RECEIVED_DATA = 0x01;
export const IER_TRANSMITTER_EMPTY = 0x02;
export const IER_LINE_STATUS = 0x04;
export const IER_MODEM_STATUS = 0x08;
export const IER_MASK = 0x0f;

/** Interrupt identification (8.6), highest priority first. */
export const IIR_LINE_STATUS = 0x06;
export const IIR_RECEIVED_DATA = 0x04;
export const IIR_CHARACTER_TIMEOUT = 0x0c;
export const IIR_TRANSMITTER_EMPTY = 0x02;
export const IIR_MODEM_STATUS = 0x00;
export const IIR_NONE = 0x01;
export const IIR_FIFOS_ENABLED = 0xc0;

/** FIFO control (8.5). */
export const FCR_ENABLE = 0x01;
export const FCR_RESET_RECEIVER = 0x02;
export const FCR_TRIGGER_SHIFT = 6;
/** Receiver trigger level in bytes, by FCR bits 7:6. */
export const FCR_TRIGGER_BYTES: readonly number[] = [1, 4, 8, 14];

/** Line control (8.1). */
export const LCR_DLAB = 0x80;

/** Modem control (8.8). */
export const MCR_DTR = 0x01;
export const MCR_RTS = 0x02;
export const MCR_OUT1 = 0x04;
export const MCR_OUT2 = 0x08;
export const MCR_LOOP = 0x10;
export const MCR_MASK = 0x1f;

/** Line status (8.4). */
export const LSR_DATA_READY = 0x01;
export const LSR_OVERRUN = 0x02;
export const LSR_PARITY = 0x04;
export const LSR_FRAMING = 0x08;
export const LSR_BREAK = 0x10;
export const LSR_THR_EMPTY = 0x20;
export const LSR_TRANSMITTER_EMPTY = 0x40;
export const LSR_FIFO_ERROR = 0x80;
/** Conditions that raise the line status interrupt, and that reading LSR clears. */
export const LSR_ERRORS = LSR_OVERRUN | LSR_PARITY | LSR_FRAMING | LSR_BREAK;

/** Modem status (8.9). */
export const MSR_DELTA_CTS = 0x01;
export const MSR_DELTA_DSR = 0x02;
export const MSR_TRAILING_EDGE_RI = 0x04;
export const MSR_DELTA_DCD = 0x08;
export const MSR_CTS = 0x10;
export const MSR_DSR = 0x20;
export const MSR_RI = 0x40;
export const MSR_DCD = 0x80;
export const MSR_DELTAS = 0x0f;

export const FIFO_BYTES = 16;
