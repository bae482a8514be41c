/** What recording needs of a host. Nothing of it reaches the guest. */
export interface RecordingHost {
  /** Monotonic milliseconds, with fractions. */
  nowMs(): number;
  /** Milliseconds since 1970. */
  epochMs(): number;
  /** CRC-32. `previous` is the checksum of what comes before. */
  crc32(bytes: Uint8Array, previous?: number): number;
  /** Raw deflate (RFC 1951), the quick way; large content beside the calling thread where the host can. */
  deflate(bytes: Uint8Array): Promise<Uint8Array> | Uint8Array;
  /** Calls back once; what it gives cancels that. */
  later(ms: number, callback: () => void): () => void;
  /** Resolves when others have had their turn. */
  turn(): Promise<void>;
}

/** Where the bytes of a recording go. */
export interface RecordingSink {
  /** Appends. Not called again before it is done. Rejects with a GodwitError. */
  append(bytes: Uint8Array): Promise<void>;
  /** What was appended is safe when the host stops; nothing follows. */
  finish(): Promise<void>;
  /** Lets go, whatever became of it. */
  abandon(): Promise<void>;
  /** The same where nothing in it could be replayed: nothing of it is left. */
  remove?(): Promise<void>;
}
