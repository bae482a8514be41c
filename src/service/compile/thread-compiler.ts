import {
  type CompiledBatch,
  DirectCompiler,
  type RegionBatch,
  type RegionCompiler,
} from '../../execute/jit/compiler.ts';
import { platform } from '../../platform/platform.ts';
import type { Port } from '../../platform/threads.ts';
import type { FromCompiler, ToCompiler } from './protocol.ts';

/** Has regions compiled by the thread behind a port; in this thread, when that one fails or is gone. */
export class ThreadCompiler implements RegionCompiler {
  private readonly port: Port;
  private readonly here = new DirectCompiler(() => platform().clock.nowMs());
  private readonly underWay = new Map<number, RegionBatch>();
  private lost = false;

  constructor(port: Port) {
    this.port = port;
    // Messages are fetched when the machine has time for them: no listener, so that the port keeps no thread alive.
    port.onClose(() => this.lose());
  }

  submit(batch: RegionBatch): void {
    if (this.lost) {
      this.here.submit(batch);
      return;
    }
    this.underWay.set(batch.id, batch);
    this.port.post(batch satisfies ToCompiler);
  }

  take(): readonly CompiledBatch[] {
    const finished: CompiledBatch[] = [];
    for (let next = this.receive(); next; next = this.receive()) {
      if (next.kind === 'compiled') {
        finished.push(next.batch);
        if (next.batch.id !== undefined) this.underWay.delete(next.batch.id);
      } else this.compileHere(next.id);
    }
    finished.push(...this.here.take());
    return finished;
  }

  private receive(): FromCompiler | undefined {
    return this.port.takeNow()?.message as FromCompiler | undefined;
  }

  private compileHere(id: number): void {
    const batch = this.underWay.get(id);
    this.underWay.delete(id);
    if (batch) this.here.submit(batch);
  }

  private lose(): void {
    this.lost = true;
    for (const id of [...this.underWay.keys()]) this.compileHere(id);
  }
}
