/**
 * Console device (virtio 1.2, section 5.3).
 *
 * Queues: 0 to the guest, 1 from the guest, of port 0. With F_MULTIPORT 2 and 3 are those of control messages, and port
 * n has the queues 2n + 2 and 2n + 3 (5.3.2).
 *
 * Configuration space, struct virtio_console_config (5.3.4):
 *   0   le16   cols           with F_SIZE
 *   2   le16   rows           with F_SIZE
 *   4   le32   max_nr_ports   with F_MULTIPORT
 *   8   le32   emerg_wr       w, with F_EMERG_WRITE: one character, at any time
 */
export const VIRTIO_CONSOLE_DEVICE_ID = 3;

export const VIRTIO_CONSOLE_F_SIZE = 0;
export const VIRTIO_CONSOLE_F_MULTIPORT = 1;
export const VIRTIO_CONSOLE_F_EMERG_WRITE = 2;

export const CONSOLE_RECEIVE_QUEUE = 0;
export const CONSOLE_TRANSMIT_QUEUE = 1;
export const CONSOLE_CONTROL_RECEIVE_QUEUE = 2;
export const CONSOLE_CONTROL_TRANSMIT_QUEUE = 3;

export const CONSOLE_CONFIGURATION_BYTES = 12;
export const CONSOLE_CONFIGURATION_COLS = 0;
export const CONSOLE_CONFIGURATION_ROWS = 2;
export const CONSOLE_CONFIGURATION_MAX_NR_PORTS = 4;
export const CONSOLE_CONFIGURATION_EMERG_WR = 8;

/** struct virtio_console_control (5.3.6.2): le32 id of the port, le16 event, le16 value; a name may follow. */
export const CONSOLE_CONTROL_BYTES = 8;
export const CONSOLE_CONTROL_EVENT = 4;
export const CONSOLE_CONTROL_VALUE = 6;

export const VIRTIO_CONSOLE_DEVICE_READY = 0;
export const VIRTIO_CONSOLE_PORT_ADD = 1;
export const VIRTIO_CONSOLE_PORT_READY = 3;
export const VIRTIO_CONSOLE_PORT_OPEN = 6;
export const VIRTIO_CONSOLE_PORT_NAME = 7;
