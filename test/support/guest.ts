import { readFileSync } from 'node:fs';
import { ensureGuest } from '../../src/guest/index.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { tierUnderTest } from './tiers.ts';

type GuestImages = { kernel: Uint8Array; initrd: Uint8Array } | { reason: string };

/** Debian's kernel and our initramfs, or why they can't be had: then tests that need them are reported as skipped. */
export async function guestImages(): Promise<GuestImages> {
  try {
    const { kernelPath, initramfsPath } = await ensureGuest();
    return { kernel: readFileSync(kernelPath), initrd: readFileSync(initramfsPath) };
  } catch (error) {
    return { reason: `no guest: ${(error as Error).message}` };
  }
}

/** A machine that boots the guest, with what is given in place of the usual. Throws when there is no guest. */
export function guestOptions(images: GuestImages, given: Partial<CoreOptions> = {}): CoreOptions {
  if ('reason' in images) throw new Error(images.reason);
  return {
    memoryBytes: 96 * 1024 ** 2,
    seed: new Uint8Array(32).fill(3),
    load: bootImages({ ...images, bootArguments: 'console=ttyS0 quiet cryptomgr.notests' }),
    translation: { threshold: 300, ...tierUnderTest() },
    ...given,
  };
}
