/** Streams of bytes between processes: unix domain sockets and TCP. Hosts that cannot listen have none. */

export interface ByteStream {
  /** Resolves when more may be written. Throws GodwitError('io') when the stream is broken. */
  write(bytes: Uint8Array): Promise<void>;
  onData(listener: (bytes: Uint8Array) => void): void;
  /** The other side has written all that it will. */
  onEnd(listener: () => void): void;
  /** Once, at last: after an end, an error or `close`. */
  onClose(listener: (error: unknown) => void): void;
  /** Writes what is waiting and closes. */
  end(): void;
  /** Closes at once. */
  close(): void;
}

export interface Listener {
  /** As it was asked for, with the port that was chosen in place of 0. */
  readonly address: StreamAddress;
  close(): Promise<void>;
}

export type StreamAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface Streams {
  /** Throws GodwitError 'usage' (in use), 'denied', 'not-found', 'io'. */
  listen(address: StreamAddress, onStream: (stream: ByteStream) => void): Promise<Listener>;
  /** Throws GodwitError 'not-found' (nobody listens), 'denied', 'io'. */
  connect(address: StreamAddress): Promise<ByteStream>;
}
