import { connect, createServer, type Server, type Socket } from 'node:net';
import type { ByteStream, Listener, StreamAddress, Streams } from '../streams.ts';
import { hostError } from './host-error.ts';

class NodeByteStream implements ByteStream {
  readonly #socket: Socket;
  #error: unknown;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', (error) => {
      this.#error = error;
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(hostError(error, 'write to the connection')) : resolve()));
    });
  }

  onData(listener: (bytes: Uint8Array) => void): void {
    this.#socket.on('data', listener);
  }

  onEnd(listener: () => void): void {
    this.#socket.on('end', listener);
  }

  onClose(listener: (error: unknown) => void): void {
    this.#socket.on('close', () => listener(this.#error));
  }

  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }
}

function nameOf(address: StreamAddress): string {
  return address.kind === 'unix' ? address.path : `${address.host}:${address.port}`;
}

function optionsOf(address: StreamAddress): { path: string } | { host: string; port: number } {
  return address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
}

class NodeListener implements Listener {
  readonly address: StreamAddress;
  readonly #server: Server;

  constructor(server: Server, address: StreamAddress) {
    this.#server = server;
    this.address = address;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}

/** The address with the port that the host chose. */
function boundAddress(server: Server, asked: StreamAddress): StreamAddress {
  const bound = server.address();
  return asked.kind === 'tcp' && bound !== null && typeof bound === 'object' ? { ...asked, port: bound.port } : asked;
}

export const nodeStreams: Streams = {
  listen: (address, onStream) => {
    const server = createServer((socket) => onStream(new NodeByteStream(socket)));
    return new Promise((resolve, reject) => {
      server.once('error', (error) => reject(hostError(error, `listen on ${nameOf(address)}`)));
      server.listen(optionsOf(address), () => resolve(new NodeListener(server, boundAddress(server, address))));
    });
  },
  connect: (address) => {
    const socket = connect(optionsOf(address));
    return new Promise((resolve, reject) => {
      socket.once('error', (error) => reject(hostError(error, `connect to ${nameOf(address)}`)));
      socket.once('connect', () => resolve(new NodeByteStream(socket)));
    });
  },
};
