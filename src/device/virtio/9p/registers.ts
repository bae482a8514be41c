/**
 * 9P transport device (virtio 1.2, section 5.11 as Linux' and QEMU's have it).
 *
 * Configuration space, struct virtio_9p_config:
 *   0    le16   tag_len
 *   2           tag        what the guest mounts it by; no NUL at its end
 *
 * One queue. A buffer has a request in its readable and room for the answer in its writable bytes
 * (common/9p/layout.ts).
 */
export const VIRTIO_9P_DEVICE_ID = 9;
export const VIRTIO_9P_MOUNT_TAG = 0;
export const TAG_BYTES_MAXIMUM = 255;

export function shareConfiguration(tag: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + tag.length);
  new DataView(bytes.buffer).setUint16(0, tag.length, true);
  bytes.set(tag, 2);
  return bytes;
}
