/** Lets other processes find a machine of this process by a name, and control it. */
import { unlink } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { MachineHandle } from '../../api/machine.ts';
import { toWireError } from '../../api/wire-error.ts';
import { GodwitError } from '../../common/errors.ts';
import {
  assertMachineName,
  controlFolder,
  removeStale,
  socketNames,
  socketPath,
  withNames,
} from '../../platform/node/control-folder.ts';
import { hostError } from '../../platform/node/host-error.ts';
import { toolName } from '../../platform/node/tool.ts';
import { SocketLines } from './control-lines.ts';
import {
  CONTROL_VERSION,
  type ControlAnswer,
  type ControlRequest,
  type Greeting,
  MAX_REQUEST_BYTES,
  type MachineFacts,
  parseRequest,
  requestId,
} from './control-protocol.ts';

const MAX_CONNECTIONS = 32;
/** Requests of one connection that wait for their answers. */
const MAX_WAITING = 16;
/** A connection that does not take its answers is ended. */
const MAX_UNTAKEN_BYTES = 4 * 1024 * 1024;

export interface ControlServerOptions {
  /** Default: machine-1, machine-2, ... */
  readonly name?: string;
  readonly machine: MachineHandle;
  readonly memoryBytes: number;
  readonly disks: readonly string[];
}

export class ControlServer {
  readonly name: string;
  readonly path: string;
  private readonly server: Server;
  private readonly options: ControlServerOptions;
  private readonly sockets = new Set<Socket>();
  private readonly startedMs = performance.now();

  /** Throws GodwitError 'usage' for a name that is taken or none, 'denied' when there is no safe place for the socket. */
  static async open(options: ControlServerOptions): Promise<ControlServer> {
    if (options.name !== undefined) assertMachineName(options.name);
    const folder = await controlFolder();
    return await withNames(folder, async () => {
      await removeStale(folder);
      const taken = await socketNames(folder);
      const name = options.name ?? freeName(taken);
      if (taken.includes(name)) throw new GodwitError('usage', `There is a machine "${name}" already.`);
      const server = new ControlServer(name, socketPath(folder, name), options);
      await server.listen();
      return server;
    });
  }

  private constructor(name: string, path: string, options: ControlServerOptions) {
    this.name = name;
    this.path = path;
    this.options = options;
    this.server = createServer((socket) => this.accept(socket));
    this.server.maxConnections = MAX_CONNECTIONS;
  }

  /** The socket is gone, and all connections are ended, once they have what was said to them. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.sockets) socket.destroySoon();
    await unlink(this.path).catch(() => {});
    await closed;
  }

  private listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.on('error', (error) => reject(hostError(error, `listen on ${this.path}`)));
      this.server.listen(this.path, () => resolve());
    });
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    // Whoever asked is gone.
    socket.on('error', () => {});
    const waiting = new Set<number>();
    const greeting: Greeting = { godwit: CONTROL_VERSION, tool: toolName() };
    send(socket, greeting);
    new SocketLines(socket, MAX_REQUEST_BYTES, {
      line: (line) => void this.answer(socket, line, waiting),
      overflow: () => {
        const error = new GodwitError('limit', `A request has ${MAX_REQUEST_BYTES} bytes at most.`);
        send(socket, { error: toWireError(error) });
        socket.destroySoon();
      },
    });
  }

  private async answer(socket: Socket, line: string, waiting: Set<number>): Promise<void> {
    const id = requestId(line);
    const numbered = id === undefined ? {} : { id };
    try {
      const request = parseRequest(line);
      if (waiting.size >= MAX_WAITING || waiting.has(request.id)) {
        throw new GodwitError('limit', 'Too many requests wait for their answers, or two have the same number.');
      }
      waiting.add(request.id);
      try {
        const result = await this.perform(request, socket);
        send(socket, { id: request.id, result: result ?? null });
      } finally {
        waiting.delete(request.id);
      }
    } catch (error) {
      const { stack: _, ...wire } = toWireError(error);
      send(socket, { ...numbered, error: wire });
    }
  }

  private async perform(request: ControlRequest, socket: Socket): Promise<unknown> {
    const { machine } = this.options;
    switch (request.action) {
      case 'status':
        return this.facts();
      case 'pause':
        return await machine.pause();
      case 'resume':
        return await machine.resume();
      case 'stop':
        return await machine.stop();
      case 'statistics':
        return await machine.stats();
      case 'checkpoint': {
        const stopListening = machine.on('checkpoint-progress', (progress) => {
          send(socket, { id: request.id, progress });
        });
        return await machine.checkpoint(request.parameters).finally(stopListening);
      }
      case 'cancel-checkpoint':
        return await machine.cancelCheckpoint();
      case 'record':
        return await machine.record(request.parameters);
      case 'stop-recording':
        return await machine.stopRecording(request.parameters.path);
      case 'save-flight':
        return await machine.saveFlight(request.parameters.path, request.parameters);
      case 'debug':
        return await machine.debug(request.parameters);
    }
  }

  private facts(): MachineFacts {
    const { machine, memoryBytes, disks } = this.options;
    const uptimeMs = Math.round(performance.now() - this.startedMs);
    return { name: this.name, pid: process.pid, status: machine.status, memoryBytes, uptimeMs, disks };
  }
}

function freeName(taken: readonly string[]): string {
  for (let number = 1; ; number++) {
    const name = `machine-${number}`;
    if (!taken.includes(name)) return name;
  }
}

function send(socket: Socket, message: ControlAnswer | Greeting): void {
  if (socket.destroyed) return;
  if (socket.writableLength > MAX_UNTAKEN_BYTES) socket.destroy();
  else socket.write(`${JSON.stringify(message)}\n`);
}
