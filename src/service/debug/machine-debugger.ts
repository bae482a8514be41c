import type { DebuggerState, DebugOptions } from '../../api/debug.ts';
import { GodwitError } from '../../common/errors.ts';
import { type LiveTargetParts, liveTarget } from '../../debug/live-target.ts';
import { GdbServer } from './gdb-server.ts';

export interface MachineDebuggerParts extends LiveTargetParts {
  /** Debuggers can connect, one has come, or it is gone. */
  readonly changed: (state: DebuggerState) => void;
}

/** Lets debuggers reach one live machine. */
export class MachineDebugger {
  private readonly parts: MachineDebuggerParts;
  private server: GdbServer | undefined;

  constructor(parts: MachineDebuggerParts) {
    this.parts = parts;
  }

  /** Gives the address as gdb takes it. Throws GodwitError. */
  async listen({ listen, stopped = false }: DebugOptions): Promise<string> {
    if (this.server) throw new GodwitError('state', `Debuggers can connect to ${this.server.address} already.`);
    this.server = await GdbServer.listen(listen, liveTarget(this.parts), () => this.tell());
    this.tell();
    if (stopped) this.parts.runner.halt();
    return this.server.address;
  }

  private tell(): void {
    const { server } = this;
    if (server) this.parts.changed({ address: server.address, isConnected: server.connected });
  }

  /** The machine has ended; a debugger that waits for it is told so. */
  async close(exitCode: number): Promise<void> {
    await this.server?.close(exitCode);
  }
}
