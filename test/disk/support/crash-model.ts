import { expect } from 'vitest';
import type { Disk } from '../../../src/backend/disk/disk.ts';

/** What a disk may hold after a crash: the flushed content, and over it any of what was written later. */
export class CrashModel implements Disk {
  readonly format = 'memory';
  readonly readonly = false;
  readonly sizeBytes: number;
  readonly #disk: Disk;
  #flushed: Uint8Array;
  /** Operations since the flush that made `#flushed`, each with the bytes it leaves. */
  #later: { offset: number; data: Uint8Array }[] = [];

  constructor(disk: Disk, content: Uint8Array) {
    this.#disk = disk;
    this.sizeBytes = disk.sizeBytes;
    this.#flushed = content.slice();
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return this.#disk.read(offset, into);
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    this.#later.push({ offset, data });
    return this.#disk.write(offset, data);
  }

  async flush(): Promise<void> {
    await this.#disk.flush();
    this.#later = [];
    const content = new Uint8Array(this.sizeBytes);
    try {
      await this.#disk.read(0, content);
    } catch {
      // The crash came between: what the flush made sure of can no longer be told apart.
      this.#later = [{ offset: -1, data: new Uint8Array(0) }];
      return;
    }
    this.#flushed = content;
  }

  discard(offset: number, length: number): Promise<void> {
    this.#later.push({ offset, data: new Uint8Array(length) });
    return this.#disk.discard(offset, length);
  }

  writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    this.#later.push({ offset, data: new Uint8Array(length) });
    return this.#disk.writeZeroes(offset, length, unmap);
  }

  close(): Promise<void> {
    return this.#disk.close();
  }

  expectPossible(content: Uint8Array): void {
    if (this.#later.some((operation) => operation.offset < 0)) return;
    for (let at = 0; at < content.length; at++) {
      if (content[at] === this.#flushed[at]) continue;
      const explained = this.#later.some(({ offset, data }) => data[at - offset] === content[at]);
      if (!explained) expect.fail(`byte ${at} is ${content[at]}, flushed was ${this.#flushed[at]}`);
    }
  }
}
