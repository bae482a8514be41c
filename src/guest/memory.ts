/**
 * The least memory that Debian's kernel comes to a shell in, with our initramfs. In less than 76 MiB it finds no 32 MiB
 * in one piece for its list of memory sections, and below this it runs out of memory while it unpacks the initramfs.
 * Either way it stops before it has a console to say so.
 */
export const GUEST_MEMORY_MINIMUM_BYTES = 88 * 1024 ** 2;
