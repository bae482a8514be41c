/**
 * Block device (virtio 1.2, section 5.2).
 *
 * Configuration space, struct virtio_blk_config (5.2.4):
 *   0    le64   capacity                      in sectors of 512 bytes
 *   8    le32   size_max                      bytes per segment
 *   12   le32   seg_max                       segments per request
 *   16          geometry                      not offered
 *   20   le32   blk_size                      logical block, bytes
 *   24   u8     physical_block_exp            logical blocks per physical block, log2
 *   25   u8     alignment_offset
 *   26   le16   min_io_size                   logical blocks
 *   28   le32   opt_io_size                   logical blocks
 *   32   u8     writeback                     rw, with CONFIG_WCE: 1 write-back, 0 write-through
 *   33   u8     unused
 *   34   le16   num_queues                    not offered
 *   36   le32   max_discard_sectors
 *   40   le32   max_discard_seg
 *   44   le32   discard_sector_alignment
 *   48   le32   max_write_zeroes_sectors
 *   52   le32   max_write_zeroes_seg
 *   56   u8     write_zeroes_may_unmap
 *   57   u8[3]  unused
 *
 * Request, struct virtio_blk_req (5.2.6), in whatever descriptors (2.7.4):
 *   0    le32   type
 *   4    le32   reserved
 *   8    le64   sector
 *   16          data, readable or writable
 *   last byte   status, writable
 *
 * Data of DISCARD and WRITE_ZEROES, struct virtio_blk_discard_write_zeroes:
 *   0    le64   sector
 *   8    le32   num_sectors
 *   12   le32   flags                         bit 0 unmap
 */
export const VIRTIO_BLOCK_DEVICE_ID = 2;

export const VIRTIO_BLK_F_SIZE_MAX = 1;
export const VIRTIO_BLK_F_SEG_MAX = 2;
export const VIRTIO_BLK_F_RO = 5;
export const VIRTIO_BLK_F_BLK_SIZE = 6;
export const VIRTIO_BLK_F_FLUSH = 9;
export const VIRTIO_BLK_F_TOPOLOGY = 10;
export const VIRTIO_BLK_F_CONFIG_WCE = 11;
export const VIRTIO_BLK_F_DISCARD = 13;
export const VIRTIO_BLK_F_WRITE_ZEROES = 14;

export const VIRTIO_BLK_T_IN = 0;
export const VIRTIO_BLK_T_OUT = 1;
export const VIRTIO_BLK_T_FLUSH = 4;
export const VIRTIO_BLK_T_GET_ID = 8;
export const VIRTIO_BLK_T_DISCARD = 11;
export const VIRTIO_BLK_T_WRITE_ZEROES = 13;

export const VIRTIO_BLK_S_OK = 0;
export const VIRTIO_BLK_S_IOERR = 1;
export const VIRTIO_BLK_S_UNSUPP = 2;

export const BLOCK_HEADER_BYTES = 16;
export const BLOCK_ID_BYTES = 20;
export const BLOCK_SEGMENT_BYTES = 16;
export const BLOCK_SEGMENT_F_UNMAP = 1;

export const SECTOR_BYTES = 512;
export const PHYSICAL_BLOCK_EXPONENT = 3;
export const SEGMENTS_MAXIMUM = 254;
export const SEGMENT_BYTES_MAXIMUM = 512 * 1024;
export const DISCARD_SECTORS_MAXIMUM = 2 ** 21;
export const WRITE_ZEROES_SECTORS_MAXIMUM = 2 ** 17;

export const BLOCK_CONFIGURATION_BYTES = 60;
export const BLOCK_CONFIGURATION_WRITEBACK = 32;

/** The configuration space of a disk. `write_zeroes_may_unmap` is set: zeros may be kept as holes. */
export function blockConfiguration(capacitySectors: number): Uint8Array {
  const bytes = new Uint8Array(BLOCK_CONFIGURATION_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(capacitySectors), true);
  view.setUint32(8, SEGMENT_BYTES_MAXIMUM, true);
  view.setUint32(12, SEGMENTS_MAXIMUM, true);
  view.setUint32(20, SECTOR_BYTES, true);
  view.setUint8(24, PHYSICAL_BLOCK_EXPONENT);
  view.setUint16(26, 1 << PHYSICAL_BLOCK_EXPONENT, true);
  view.setUint8(BLOCK_CONFIGURATION_WRITEBACK, 1);
  view.setUint32(36, DISCARD_SECTORS_MAXIMUM, true);
  view.setUint32(40, 1, true);
  view.setUint32(44, 1 << PHYSICAL_BLOCK_EXPONENT, true);
  view.setUint32(48, WRITE_ZEROES_SECTORS_MAXIMUM, true);
  view.setUint32(52, 1, true);
  view.setUint8(56, 1);
  return bytes;
}
