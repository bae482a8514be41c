/**
 * Names under which the processes of one user find one another, and talk over streams: a folder of unix domain sockets
 * in Node.js. Hosts whose programs cannot reach one another have none.
 */
import type { ByteStream } from './streams.ts';

/** What the names are that every host takes. */
export const ENDPOINT_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,39}$/;

/** A name that is this process's. */
export interface Announced {
  readonly name: string;
  /** What the host calls the place, for messages. */
  readonly path: string;
  /** The name is free, and nobody comes any more; resolves when all streams of it have closed. */
  withdraw(): Promise<void>;
}

export interface Endpoints {
  /** By what the host's own tools know this process. */
  readonly processId: number;
  /** The names that there are, in order. Processes that were killed may have left some. */
  list(): Promise<string[]>;
  /**
   * Gives this process the name that `choose` picks; no other process gets one meanwhile, and what dead ones left is
   * gone. Throws what `choose` throws, and GodwitError 'denied' when there is no safe place, 'usage' for a path that is
   * too long, 'io'.
   */
  announce(choose: (taken: readonly string[]) => string, onStream: (stream: ByteStream) => void): Promise<Announced>;
  /** Throws GodwitError 'not-found' when no process answers to that name, 'denied', 'io'. */
  connect(name: string): Promise<ByteStream>;
}
