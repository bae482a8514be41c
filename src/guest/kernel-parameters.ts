/**
 * Parameters of Linux's command line that shorten a boot without taking anything from the guest that it would miss.
 * They are for the default command line; one that the user gives stays as it is.
 *
 * Instructions from the kernel's first time stamp to power-off right after the prompt (QEMU, -icount shift=0, Debian's
 * 6.12.107, "quiet"):
 *
 *     906 million   without
 *     497 million   cryptomgr.notests: skip the self-tests of every cipher, which it would repeat at each boot
 *     321 million   ... and jent_mod_init: the self-test of the jitter entropy source;
 *                   godwit's guests have virtio entropy
 *     294 million   ... and load_system_certificate_list: keys for checking module
 *                   signatures, which the stripped modules of
 *                   the initramfs don't carry
 */
export const QUICK_BOOT_PARAMETERS: readonly string[] = [
  'quiet',
  'cryptomgr.notests',
  'initcall_blacklist=jent_mod_init,load_system_certificate_list',
];
