/**
 * Console device (virtio 1.2, section 5.3), one port.
 *
 * Queues: 0 to the guest, 1 from the guest.
 *
 * Configuration space, struct virtio_console_config (5.3.4):
 *   0   le16   cols           with F_SIZE
 *   2   le16   rows           with F_SIZE
 *   4   le32   max_nr_ports   not offered
 *   8   le32   emerg_wr       w, with F_EMERG_WRITE: one character, at any time
 */
export const VIRTIO_CONSOLE_DEVICE_ID = 3;

export const VIRTIO_CONSOLE_F_SIZE = 0;
export const VIRTIO_CONSOLE_F_EMERG_WRITE = 2;

export const CONSOLE_RECEIVE_QUEUE = 0;
export const CONSOLE_TRANSMIT_QUEUE = 1;

export const CONSOLE_CONFIGURATION_BYTES = 12;
export const CONSOLE_CONFIGURATION_COLS = 0;
export const CONSOLE_CONFIGURATION_ROWS = 2;
export const CONSOLE_CONFIGURATION_EMERG_WR = 8;
