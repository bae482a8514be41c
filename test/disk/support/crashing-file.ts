import type { ByteFile } from '../../../src/platform/files.ts';
import type { Random } from './random.ts';

const SECTOR = 512;

/** Thrown by every call from the crash on. */
export class Crash extends Error {}

/** Calls that change files until the host loses power. Files of one host share it. */
export interface Power {
  callsLeft: number;
}

/**
 * A file on a host that will lose power. It remembers what each sector has been since the last sync: after the crash
 * any of these may be what is on the disk, for each sector apart from the others, and so for the size.
 */
export class CrashingFile implements ByteFile {
  readonly name = 'crashing.qcow2';
  readonly readonly = false;
  readonly #random: Random;
  readonly #power: Power;
  #bytes: Uint8Array;
  #sizeBytes: number;
  #sectorsBefore = new Map<number, Uint8Array[]>();
  #sizesBefore: number[] = [];

  /** The crash comes at the `callsUntilCrash`th call that changes the file, or another that shares the power. */
  constructor(content: Uint8Array, random: Random, callsUntilCrash: number | Power) {
    this.#bytes = new Uint8Array(content);
    this.#sizeBytes = content.length;
    this.#random = random;
    this.#power = typeof callsUntilCrash === 'number' ? { callsLeft: callsUntilCrash } : callsUntilCrash;
  }

  get hasCrashed(): boolean {
    return this.#power.callsLeft <= 0;
  }

  /** What is on the disk when the host is up again. */
  afterCrash(random: Random): Uint8Array {
    const bytes = this.#bytes.slice();
    for (const [sector, versions] of this.#sectorsBefore) {
      const choice = random.below(versions.length + 1);
      if (choice < versions.length) bytes.set(versions[choice]!, sector * SECTOR);
    }
    const sizeBytes = random.pick([...this.#sizesBefore, this.#sizeBytes]);
    const image = new Uint8Array(sizeBytes);
    image.set(bytes.subarray(0, sizeBytes));
    return image;
  }

  async size(): Promise<number> {
    return this.#sizeBytes;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#wait();
    if (this.hasCrashed) throw new Crash();
    into.fill(0);
    into.set(this.#bytes.subarray(offset, Math.min(this.#sizeBytes, offset + into.length)));
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    await this.#wait();
    this.#count();
    this.#grow(offset + data.length);
    this.#rememberSectors(offset, data.length);
    this.#bytes.set(data, offset);
    if (offset + data.length > this.#sizeBytes) this.#setSize(offset + data.length);
    await this.#wait();
    if (this.hasCrashed) throw new Crash();
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#wait();
    this.#count();
    this.#grow(sizeBytes);
    this.#setSize(sizeBytes);
    if (this.hasCrashed) throw new Crash();
  }

  async punchHole(): Promise<boolean> {
    return false;
  }

  async sync(): Promise<void> {
    await this.#wait();
    this.#count();
    if (this.hasCrashed) throw new Crash();
    this.#sectorsBefore = new Map();
    this.#sizesBefore = [];
  }

  async close(): Promise<void> {}

  #count(): void {
    if (this.hasCrashed) throw new Crash();
    this.#power.callsLeft -= 1;
  }

  #setSize(sizeBytes: number): void {
    this.#sizesBefore.push(this.#sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  #grow(sizeBytes: number): void {
    const roundedBytes = Math.ceil(sizeBytes / SECTOR) * SECTOR;
    if (roundedBytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(roundedBytes, this.#bytes.length * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  #rememberSectors(offset: number, length: number): void {
    for (let sector = Math.floor(offset / SECTOR); sector * SECTOR < offset + length; sector++) {
      const versions = this.#sectorsBefore.get(sector) ?? [];
      versions.push(this.#bytes.slice(sector * SECTOR, (sector + 1) * SECTOR));
      this.#sectorsBefore.set(sector, versions);
    }
  }

  /** Calls that run at the same time end in any order. */
  async #wait(): Promise<void> {
    for (let turns = this.#random.below(4); turns > 0; turns--) await Promise.resolve();
    if (this.#random.chance(5)) await new Promise((resolve) => setImmediate(resolve));
  }
}
