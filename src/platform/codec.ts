/** Compression and checksums. What one implementation writes all others read; a host's own is quicker. */
export interface Codec {
  /** CRC-32. `previous` is the checksum of what comes before. */
  crc32(bytes: Uint8Array, previous?: number): number;
  /** Raw deflate (RFC 1951), the quick way. */
  deflate(bytes: Uint8Array): Uint8Array;
  /** The same beside the calling thread where the host can, for large content. */
  deflateLater(bytes: Uint8Array): Promise<Uint8Array> | Uint8Array;
  /** What `deflate` made `lengthBytes` bytes of. Throws GodwitError('damaged') when it is not exactly that. */
  inflate(bytes: Uint8Array, lengthBytes: number): Uint8Array;
}
