/** Entries of an initramfs: all belongs to root. */
import type { CpioEntry } from './cpio.ts';

const encoder = new TextEncoder();

export function directory(name: string, permissions = 0o755): CpioEntry {
  return { type: 'directory', name, permissions };
}

export function file(name: string, content: string | Uint8Array, permissions = 0o644): CpioEntry {
  return { type: 'file', name, permissions, content: typeof content === 'string' ? encoder.encode(content) : content };
}

export function link(name: string, target: string): CpioEntry {
  return { type: 'symlink', name, target };
}
