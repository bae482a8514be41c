import type { DebugOptions } from '../../api/debug.ts';
import { replayTarget } from '../../debug/replay-target.ts';
import type { CoreOptions } from '../../machine/core-options.ts';
import type { Recording } from '../../recording/recording.ts';
import type { Timeline } from '../../replay/timeline.ts';
import { GdbServer } from '../debug/gdb-server.ts';
import { MachineLoop } from '../machine/machine-loop.ts';
import { openTimeline } from './recorded-timeline.ts';

export interface DebuggedReplayParts {
  readonly recording: Recording;
  readonly listen: DebugOptions['listen'];
  /** What the recorded console shows. Nothing is shown twice. */
  readonly output: (bytes: Uint8Array) => void;
  readonly translation?: CoreOptions['translation'];
}

/**
 * A recording that gdb moves through, forth and back. It stands at its beginning until a debugger has come, and
 * wherever that one left it when it is gone; another may come then.
 */
export class DebuggedReplay {
  /** Resolves when a debugger ends the replay, or `stop` is called. Rejects with GodwitError when it cannot go on. */
  readonly ended: Promise<void>;
  readonly timeline: Timeline;
  private hasFailed = false;
  private server!: GdbServer;
  private settle!: { resolve(): void; reject(error: unknown): void };

  /** Throws GodwitError for a recording that cannot be replayed, and for an address that cannot be had. */
  static async open({ listen, ...parts }: DebuggedReplayParts): Promise<DebuggedReplay> {
    const replay = new DebuggedReplay(await openTimeline(parts));
    await replay.listen(listen);
    return replay;
  }

  private constructor(timeline: Timeline) {
    this.timeline = timeline;
    this.ended = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    this.ended.catch(() => {});
  }

  private async listen(address: DebugOptions['listen']): Promise<void> {
    const target = replayTarget({
      timeline: this.timeline,
      loop: new MachineLoop(),
      kill: () => this.settle.resolve(),
      failed: (error) => {
        this.hasFailed = true;
        this.settle.reject(error);
      },
    });
    this.server = await GdbServer.listen(address, target);
  }

  get address(): string {
    return this.server.address;
  }

  stop(): void {
    this.settle.resolve();
  }

  async close(): Promise<void> {
    await this.server.close(this.hasFailed ? 1 : 0);
    this.timeline.dispose();
  }
}
