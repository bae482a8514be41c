import { chmodSync, existsSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { GodwitError } from '../../common/errors.ts';
import { GdbStub } from '../../debug/gdb-stub.ts';
import type { DebugTarget } from '../../debug/target.ts';
import { errorCodeOf, hostError } from '../../platform/node/host-error.ts';

/** A TCP port of this computer (0: a free one), or the path of a unix socket. */
export type GdbAddress = number | string;

const LOOPBACK = '127.0.0.1';
const OWNER_ONLY = 0o600;
/** One debugger, and some that only look. */
const CONNECTIONS_MAXIMUM = 8;
const FAREWELL_MS = 1000;

/** Lets one debugger at a time connect to a machine in this thread. Nobody from another computer can. */
export class GdbServer {
  private readonly server: Server;
  private readonly target: DebugTarget;
  private readonly path: string | undefined;
  private stub: GdbStub | undefined;
  private readonly sockets = new Set<Socket>();

  private constructor(server: Server, target: DebugTarget, path: string | undefined) {
    this.server = server;
    this.target = target;
    this.path = path;
    server.maxConnections = CONNECTIONS_MAXIMUM;
    server.on('connection', (socket) => this.accept(socket));
  }

  /** Throws GodwitError when the address cannot be had. */
  static async listen(address: GdbAddress, target: DebugTarget): Promise<GdbServer> {
    const server = createServer();
    if (typeof address === 'string') await removeDeadSocket(address);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(refused(error, address)));
      const where = typeof address === 'string' ? { path: address } : { host: LOOPBACK, port: address };
      server.listen(where, resolve);
    });
    if (typeof address === 'string') chmodSync(address, OWNER_ONLY);
    return new GdbServer(server, target, typeof address === 'string' ? address : undefined);
  }

  /** As gdb's `target remote` takes it. */
  get address(): string {
    const at = this.server.address();
    return typeof at === 'object' && at !== null ? `localhost:${at.port}` : this.path!;
  }

  /** Who connects is taken for a debugger when it says something: to see whether somebody listens here is no reason to stop. */
  private accept(socket: Socket): void {
    socket.setNoDelay(true);
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.once('data', (bytes) => {
      if (this.stub) socket.destroy();
      else this.serve(socket).receive(bytes);
    });
  }

  private serve(socket: Socket): GdbStub {
    const stub = new GdbStub({
      target: this.target,
      send: (bytes) => {
        // A debugger that does not read what it asked for has to wait.
        if (!socket.write(bytes)) socket.pause();
      },
      close: () => socket.end(),
    });
    this.stub = stub;
    socket.on('drain', () => socket.resume());
    socket.on('data', (bytes) => stub.receive(bytes));
    socket.on('close', () => {
      stub.disconnect();
      if (this.stub === stub) this.stub = undefined;
    });
    return stub;
  }

  get connected(): boolean {
    return this.stub !== undefined;
  }

  /** Tells the debugger that the machine has ended, and closes. */
  async close(exitCode = 0): Promise<void> {
    this.stub?.machineEnded(exitCode);
    // The machine may be given back before the sockets have closed.
    this.stub?.disconnect();
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) hangUp(socket);
    await closed;
  }
}

/** What was written goes out, if the other side reads it soon. */
function hangUp(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), FAREWELL_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.once('finish', () => socket.destroy());
  socket.end();
}

/** A socket that nobody listens on was left behind by a process that is gone. */
async function removeDeadSocket(path: string): Promise<void> {
  const code = await new Promise<string | undefined>((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error) => resolve(errorCodeOf(error)));
  });
  if (code === 'ECONNREFUSED') rmSync(path, { force: true });
}

function refused(error: unknown, address: GdbAddress): GodwitError {
  const where = typeof address === 'string' ? address : `port ${address}`;
  if (errorCodeOf(error) === 'EADDRINUSE') {
    return new GodwitError('locked', `Something else listens on ${where} already.`, { cause: error });
  }
  // The system calls both a missing folder and a missing permission the latter.
  if (typeof address === 'string' && !existsSync(dirname(address))) {
    return new GodwitError('not-found', `Cannot listen for gdb on ${where}: there is no such folder.`, {
      cause: error,
    });
  }
  return hostError(error, `listen for gdb on ${where}`);
}
