/**
 * A disk as a machine sees it: an array of bytes with a fixed size. All offsets and lengths are in bytes and lie within
 * `sizeBytes`, which a raw image fills up to a whole sector (sectors.ts); an implementation rejects others with a
 * GodwitError('usage'). Host failures reject with
 * GodwitError('io'), 'full' or 'damaged'; after a failed write the content of that range is undefined, all else is as
 * before. Calls may overlap in time; overlapping *ranges* in flight have no defined order, like a real disk's.
 */
export interface Disk {
  /** Of the image; 'memory': there is none. */
  readonly format: 'raw' | 'qcow2' | 'memory';
  /** What a machine sees. It never changes. */
  readonly sizeBytes: number;
  /** Whatever would change it rejects with GodwitError('denied'). */
  readonly readonly: boolean;
  /** Fills `into` with what is there from `offset` on. */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Changes the bytes from `offset` on. `data` is left alone until it resolves. */
  write(offset: number, data: Uint8Array): Promise<void>;
  /** Everything written before this call is on stable storage when it resolves. */
  flush(): Promise<void>;
  /** A hint: the range's content is no longer needed. Reads afterwards give zeros or the old content. */
  discard(offset: number, length: number): Promise<void>;
  /** Reads of the range give zeros afterwards. `unmap`: the space may be given back to the host. */
  writeZeroes(offset: number, length: number, unmap: boolean): Promise<void>;
  /**
   * What the disk has at `offset`, and for how many bytes at least, `maxBytes` at most. Holes are looked through, down
   * to so many images under this one. Disks without it hold data everywhere.
   */
  extentAt?(offset: number, maxBytes: number, imagesUnder: number): Promise<Extent>;
  /** Flushes, gives up the lock and closes. Calls after that reject. */
  close(): Promise<void>;
}

/** What a disk has in one place. */
export interface Extent {
  /** A hole shows what lies under the last image that was looked at. */
  readonly kind: 'data' | 'zero' | 'hole';
  /** It is so for this many bytes at least. */
  readonly lengthBytes: number;
}
