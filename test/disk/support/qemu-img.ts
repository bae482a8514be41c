import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';

export const hasQemuImg = spawnSync('qemu-img', ['--version']).status === 0;
export const noQemuImg = hasQemuImg ? '' : ' (skipped: qemu-img is not installed, it is in the package qemu-utils)';

export function qemuImg(...args: string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export interface CheckResult {
  corruptions: number;
  leaks: number;
}

export function check(path: string): CheckResult {
  const result = spawnSync('qemu-img', ['check', '-f', 'qcow2', '--output=json', path], { encoding: 'utf8' });
  try {
    const report = JSON.parse(result.stdout) as Record<string, number>;
    return {
      corruptions: (report.corruptions ?? 0) + (report['check-errors'] ?? 0),
      leaks: report.leaks ?? 0,
    };
  } catch {
    throw new Error(`qemu-img check says: ${result.stdout} ${result.stderr}`);
  }
}

export function expectClean(path: string): void {
  expect(check(path)).toEqual({ corruptions: 0, leaks: 0 });
}

/** What the guest sees in an image, by qemu-img. */
export function contentOf(path: string, format = 'qcow2'): Uint8Array {
  return inFolder((folder) => {
    const raw = join(folder, 'raw');
    qemuImg('convert', '-f', format, '-O', 'raw', path, raw);
    return readFileSync(raw);
  });
}

export function writeRaw(path: string, content: Uint8Array): void {
  writeFileSync(path, content);
}

/** Fails when the image and the bytes differ. */
export function expectSameAs(path: string, content: Uint8Array): void {
  inFolder((folder) => {
    const raw = join(folder, 'model');
    writeFileSync(raw, content);
    const result = spawnSync('qemu-img', ['compare', '-f', 'qcow2', '-F', 'raw', path, raw], { encoding: 'utf8' });
    expect(`${result.stdout}${result.stderr}`).toContain('Images are identical.');
  });
}

function inFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-qemu-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
