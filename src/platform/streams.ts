/** Streams of bytes between processes: unix domain sockets and TCP. Hosts that cannot listen have none. */

export interface ByteStream {
  /** Resolves when more may be written. Throws GodwitError('io') when the stream is broken. */
  write(bytes: Uint8Array): Promise<void>;
  /** What comes waits until there is a listener. */
  onData(listener: (bytes: Uint8Array) => void): void;
  /** The other side has written all that it will. */
  onEnd(listener: () => void): void;
  /** Once, at last: after an end, an error or `close`; also when that was before. */
  onClose(listener: (error: unknown) => void): void;
  /** What comes waits, and in the end the other side with it, until `resume`. */
  pause(): void;
  resume(): void;
  /** Writes what is waiting and closes. */
  end(): void;
  /** Closes at once. */
  close(): void;
}

export interface Listener {
  /** As it was asked for, with the port that was chosen in place of 0. */
  readonly address: StreamAddress;
  /** Nobody comes any more. Resolves when all its streams have closed. */
  close(): Promise<void>;
}

/** Of a unix domain socket, or of TCP. */
export type StreamAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface Streams {
  /**
   * A socket that a dead process left at a path is taken away; only this user comes to the new one.
   * Throws GodwitError 'locked' (something else listens there), 'denied', 'not-found' (no such folder), 'io'.
   */
  listen(address: StreamAddress, onStream: (stream: ByteStream) => void): Promise<Listener>;
  /** Throws GodwitError 'not-found' (nobody listens), 'denied', 'io'. */
  connect(address: StreamAddress): Promise<ByteStream>;
}
