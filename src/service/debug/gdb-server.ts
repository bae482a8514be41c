import { GodwitError } from '../../common/errors.ts';
import { GdbStub } from '../../debug/gdb-stub.ts';
import type { DebugTarget } from '../../debug/target.ts';
import { platform } from '../../platform/platform.ts';
import type { ByteStream, Listener, StreamAddress } from '../../platform/streams.ts';

/** A TCP port of this computer (0: a free one), or the path of a unix socket. */
export type GdbAddress = number | string;

const LOOPBACK = '127.0.0.1';
/** One debugger, and some that only look. */
const CONNECTIONS_MAXIMUM = 8;
const FAREWELL_MS = 1000;
/** A debugger that does not read what it asked for is not heard until it does. */
const UNREAD_LIMIT_BYTES = 16 * 1024;

/** Lets one debugger at a time connect to a machine in this thread. Nobody from another computer can. */
export class GdbServer {
  private readonly target: DebugTarget;
  private listener: Listener | undefined;
  private stub: GdbStub | undefined;
  private readonly streams = new Set<ByteStream>();

  private readonly changed: () => void;

  private constructor(target: DebugTarget, changed: () => void) {
    this.target = target;
    this.changed = changed;
  }

  /** `changed`: a debugger has come, or is gone. Throws GodwitError when the address cannot be had. */
  static async listen(address: GdbAddress, target: DebugTarget, changed: () => void = () => {}): Promise<GdbServer> {
    const { streams } = platform();
    if (!streams) throw new GodwitError('unsupported', 'Debuggers cannot connect to machines on this host.');
    const server = new GdbServer(target, changed);
    const where: StreamAddress =
      typeof address === 'string' ? { kind: 'unix', path: address } : { kind: 'tcp', host: LOOPBACK, port: address };
    server.listener = await streams.listen(where, (stream) => server.accept(stream));
    return server;
  }

  /** As gdb's `target remote` takes it. */
  get address(): string {
    const { address } = this.listener!;
    return address.kind === 'tcp' ? `localhost:${address.port}` : address.path;
  }

  /**
   * Who connects is taken for a debugger when it says something: to see whether somebody listens here is no reason to
   * stop.
   */
  private accept(stream: ByteStream): void {
    if (this.streams.size >= CONNECTIONS_MAXIMUM) {
      stream.close();
      return;
    }
    this.streams.add(stream);
    let stub: GdbStub | undefined;
    stream.onClose(() => {
      this.streams.delete(stream);
      stub?.disconnect();
      if (!stub || this.stub !== stub) return;
      this.stub = undefined;
      this.changed();
    });
    stream.onData((bytes) => {
      if (stub) stub.receive(bytes);
      else if (this.stub) stream.close();
      else {
        stub = this.serve(stream);
        stub.receive(bytes);
      }
    });
  }

  private serve(stream: ByteStream): GdbStub {
    const stub = new GdbStub({ target: this.target, send: sender(stream), close: () => stream.end() });
    this.stub = stub;
    this.changed();
    return stub;
  }

  get connected(): boolean {
    return this.stub !== undefined;
  }

  /** Tells the debugger that the machine has ended, and closes. */
  async close(exitCode = 0): Promise<void> {
    this.stub?.machineEnded(exitCode);
    // The machine may be given back before the streams have closed.
    this.stub?.disconnect();
    const closed = this.listener!.close();
    for (const stream of this.streams) hangUp(stream);
    await closed;
  }
}

function sender(stream: ByteStream): (bytes: Uint8Array) => void {
  let unreadBytes = 0;
  return (bytes) => {
    unreadBytes += bytes.length;
    if (unreadBytes > UNREAD_LIMIT_BYTES) stream.pause();
    const read = (): void => {
      unreadBytes -= bytes.length;
      if (unreadBytes <= UNREAD_LIMIT_BYTES) stream.resume();
    };
    stream.write(bytes).then(read, () => stream.close());
  };
}

/** What was written goes out, if the other side reads it soon. */
function hangUp(stream: ByteStream): void {
  stream.onClose(platform().timers.later(FAREWELL_MS, () => stream.close()));
  stream.end();
}
