/**
 * Reading at any offset, synchronously: a guest's access to memory waits for what is read here. Its content does not
 * change while it is open. Throws GodwitError('io'), and 'damaged' where bytes that it should have are missing.
 */
export interface ByteSource {
  /** For messages. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Fills `into`. Offset and length lie within `sizeBytes`. */
  read(offset: number, into: Uint8Array): void;
  close(): void;
}

/** One that others append to: what is there stays as it is. */
export interface GrowingByteSource extends ByteSource {
  /** Looks how long it is now: `sizeBytes` changes only here. Throws GodwitError('io'). */
  refresh(): void;
}
