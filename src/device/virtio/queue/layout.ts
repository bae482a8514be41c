/**
 * Split virtqueues in guest memory (virtio 1.2, section 2.7). All fields are little-endian. N is the queue size.
 *
 *   descriptor area: N times struct virtq_desc (2.7.5), 16 bytes each
 *     0   le64   addr    guest-physical address
 *     8   le32   len
 *     12  le16   flags   VIRTQ_DESC_F_*
 *     14  le16   next    index of the next descriptor when NEXT is set
 *
 *   driver area: struct virtq_avail (2.7.6)
 *     0      le16      flags        VIRTQ_AVAIL_F_NO_INTERRUPT
 *     2      le16      idx          where the driver puts the next entry, modulo N; counts modulo 65536
 *     4      le16[N]   ring         heads of descriptor chains
 *     4+2N   le16      used_event   with VIRTIO_F_EVENT_IDX
 *
 *   device area: struct virtq_used (2.7.8)
 *     0      le16      flags        0
 *     2      le16      idx          where the device puts the next entry
 *     4      {le32 id, le32 len}[N]
 *     4+8N   le16      avail_event  with VIRTIO_F_EVENT_IDX
 */
export const VIRTQ_DESC_BYTES = 16;
export const VIRTQ_DESC_ADDR = 0n;
export const VIRTQ_DESC_LEN = 8n;
export const VIRTQ_DESC_FLAGS = 12n;
export const VIRTQ_DESC_NEXT = 14n;

export const VIRTQ_DESC_F_NEXT = 1;
export const VIRTQ_DESC_F_WRITE = 2;
export const VIRTQ_DESC_F_INDIRECT = 4;

export const VIRTQ_AVAIL_FLAGS = 0n;
export const VIRTQ_AVAIL_IDX = 2n;
export const VIRTQ_AVAIL_RING = 4;
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;

export const VIRTQ_USED_IDX = 2n;
export const VIRTQ_USED_RING = 4;
export const VIRTQ_USED_ELEMENT_BYTES = 8;
export const VIRTQ_USED_ELEMENT_LEN = 4n;

/** The largest queue that the driver may set up; also the longest chain of descriptors that a device follows. */
export const VIRTQ_SIZE_MAXIMUM = 1024;
