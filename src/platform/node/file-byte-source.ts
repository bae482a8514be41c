import { type BigIntStats, closeSync, fstatSync, readSync } from 'node:fs';
import { GodwitError } from '../../common/errors.ts';
import type { GrowingByteSource } from '../byte-source.ts';
import type { FileSource } from '../files.ts';
import { hostError, named } from './host-error.ts';
import { openRegularNow } from './regular-file.ts';

/**
 * A file of the host. It stays readable while it is open, also when another has taken its name or it has none any more:
 * so a machine can start from a checkpoint that is deleted meanwhile.
 */
export class FileByteSource implements FileSource, GrowingByteSource {
  readonly name: string;
  private size: number;
  private descriptor: number;
  private readonly modifiedNs: bigint;

  /** `what`: for messages, before the path. Throws GodwitError 'not-found', 'denied', 'usage', 'io'. */
  constructor(path: string, what?: string) {
    this.name = named(path, what);
    this.descriptor = openRegularNow(path, { name: this.name });
    try {
      const stats = this.look();
      this.size = Number(stats.size);
      this.modifiedNs = stats.mtimeNs;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get sizeBytes(): number {
    return this.size;
  }

  refresh(): void {
    this.size = Number(this.look().size);
  }

  read(offset: number, into: Uint8Array): void {
    if (this.descriptor < 0) throw new GodwitError('state', `${this.name} is closed.`);
    for (let done = 0; done < into.length; ) {
      const count = attempt(this.name, 'read', () =>
        readSync(this.descriptor, into, done, into.length - done, offset + done),
      );
      if (count === 0) throw new GodwitError('damaged', `${this.name} became shorter while it was read.`);
      done += count;
    }
  }

  isChanged(): boolean {
    const { size, mtimeNs } = this.look();
    return Number(size) !== this.sizeBytes || mtimeNs !== this.modifiedNs;
  }

  private look(): BigIntStats {
    return attempt(this.name, 'look at', () => fstatSync(this.descriptor, { bigint: true }));
  }

  close(): void {
    if (this.descriptor < 0) return;
    const { descriptor } = this;
    this.descriptor = -1;
    attempt(this.name, 'close', () => closeSync(descriptor));
  }
}

function attempt<T>(path: string, action: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw hostError(error, `${action} ${path}`);
  }
}
