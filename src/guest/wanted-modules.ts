/** Modules that the guest must be able to load; what they depend on comes with them. */
export const WANTED_MODULES = [
  ...['virtio_mmio', 'virtio_blk', 'virtio_net', 'virtio-rng'],
  ...['9p', '9pnet_virtio', 'ext4', 'overlay'],
] as const;
