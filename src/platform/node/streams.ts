import { chmodSync, existsSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { GodwitError } from '../../common/errors.ts';
import type { ByteStream, Listener, StreamAddress, Streams } from '../streams.ts';
import { errorCodeOf, hostError } from './host-error.ts';

const OWNER_ONLY = 0o600;

class NodeByteStream implements ByteStream {
  private readonly socket: Socket;
  private error: unknown;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('error', (error) => {
      this.error = error;
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(hostError(error, 'write to the connection')) : resolve()));
    });
  }

  onData(listener: (bytes: Uint8Array) => void): void {
    this.socket.on('data', listener);
  }

  onEnd(listener: () => void): void {
    this.socket.on('end', listener);
  }

  onClose(listener: (error: unknown) => void): void {
    if (this.socket.closed) queueMicrotask(() => listener(this.error));
    else this.socket.on('close', () => listener(this.error));
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.destroySoon();
  }

  close(): void {
    this.socket.destroy();
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
  private readonly server: Server;

  constructor(server: Server, address: StreamAddress) {
    this.server = server;
    this.address = address;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
    });
  }
}

/** The address with the port that the host chose. */
function boundAddress(server: Server, asked: StreamAddress): StreamAddress {
  const bound = server.address();
  return asked.kind === 'tcp' && bound !== null && typeof bound === 'object' ? { ...asked, port: bound.port } : asked;
}

/** Whether anyone listens there. A socket outlives a process that was killed. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error) => {
      const code = errorCodeOf(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false);
      // So many want something of it that there is no room: it lives.
      else if (code === 'EAGAIN') resolve(true);
      else reject(hostError(error, `connect to ${path}`));
    });
  });
}

/** What cannot be told is left alone: listening there says what is wrong. */
async function removeDeadSocket(path: string): Promise<void> {
  if (existsSync(path) && !(await isListening(path).catch(() => true))) rmSync(path, { force: true });
}

function listenError(error: unknown, address: StreamAddress): GodwitError {
  const where = nameOf(address);
  if (errorCodeOf(error) === 'EADDRINUSE') {
    return new GodwitError('locked', `Something else listens on ${where} already.`, { cause: error });
  }
  // The system calls both a missing folder and a missing permission the latter.
  if (address.kind === 'unix' && !existsSync(dirname(address.path))) {
    return new GodwitError('not-found', `Cannot listen on ${where}: there is no such folder.`, { cause: error });
  }
  return hostError(error, `listen on ${where}`);
}

function connectError(error: unknown, address: StreamAddress): GodwitError {
  const code = errorCodeOf(error);
  if (code !== 'ECONNREFUSED' && code !== 'ENOENT') return hostError(error, `connect to ${nameOf(address)}`);
  return new GodwitError('not-found', `Nobody listens on ${nameOf(address)}.`, { cause: error });
}

export const nodeStreams: Streams = {
  listen: async (address, onStream) => {
    if (address.kind === 'unix') await removeDeadSocket(address.path);
    const server = createServer((socket) => onStream(new NodeByteStream(socket)));
    await new Promise<void>((resolve, reject) => {
      server.on('error', (error) => reject(listenError(error, address)));
      server.listen(optionsOf(address), () => resolve());
    });
    if (address.kind === 'unix') chmodSync(address.path, OWNER_ONLY);
    return new NodeListener(server, boundAddress(server, address));
  },
  connect: (address) => {
    const socket = connect(optionsOf(address));
    return new Promise((resolve, reject) => {
      socket.once('error', (error) => reject(connectError(error, address)));
      socket.once('connect', () => resolve(new NodeByteStream(socket)));
    });
  },
};
