import { readFileSync } from 'node:fs';
import { ensureGuest } from '../../src/guest/index.ts';

/** Debian's kernel and our initramfs, or why they can't be had: then tests that need them are reported as skipped. */
export async function guestImages(): Promise<{ kernel: Uint8Array; initrd: Uint8Array } | { reason: string }> {
  try {
    const { kernelPath, initramfsPath } = await ensureGuest();
    return { kernel: readFileSync(kernelPath), initrd: readFileSync(initramfsPath) };
  } catch (error) {
    return { reason: `no guest: ${(error as Error).message}` };
  }
}
