import type { ContinueOptions } from '../../api/checkpoint.ts';
import type { Finish } from '../../device/finisher/test-finisher.ts';
import type { MachineCore } from '../../machine/core.ts';
import type { ConsolePort } from '../../machine/events.ts';
import { platform } from '../../platform/platform.ts';
import { freshIdentityEvents } from '../../run/identity.ts';
import type { LiveListener } from '../../run/listeners.ts';
import { LiveRunner } from '../../run/live-runner.ts';
import { InputQueue } from '../machine/input-queue.ts';
import { MachineLoop } from '../machine/machine-loop.ts';
import { makeAgent } from '../machine/machine-parts.ts';
import type { ReplayDisks } from './replay-disks.ts';

export interface LiveFromReplayParts extends ContinueOptions {
  /** Of a replay that is not continued; its output goes where it went. */
  readonly core: MachineCore;
  readonly consolePort: ConsolePort;
  readonly disks: ReplayDisks | undefined;
}

/** A machine that goes on from a place in a recording: from there on it is a machine like others. */
export class LiveFromReplay {
  private readonly parts: LiveFromReplayParts;
  private readonly runner: LiveRunner;
  private readonly input: InputQueue;

  constructor(parts: LiveFromReplayParts) {
    const { core, consolePort } = parts;
    this.parts = parts;
    const loop = new MachineLoop(() => this.input.flow());
    this.runner = new LiveRunner(core, platform().clock, loop, {
      // What the agent says is not heard here, so each time it is asked anew to listen.
      onWallSet: (wallNanoseconds) =>
        makeAgent(core, (bytes) => this.runner.input('agent', bytes)).setClock(wallNanoseconds),
    });
    this.input = new InputQueue({
      core,
      port: consolePort,
      untilListening: false,
      handOver: (bytes) => this.runner.input(consolePort, bytes),
    });
  }

  /** For a recording of how it goes on. */
  listen(listener: LiveListener): () => void {
    return this.runner.listen(listener);
  }

  /** What is typed. */
  type(bytes: Uint8Array): void {
    this.input.push(bytes, () => {});
    this.input.flow();
  }

  stop(): void {
    this.runner.stop();
  }

  /** Resolves when the guest has ended, or `stop` was called (then with undefined). */
  async run(): Promise<Finish | undefined> {
    const { disks, identity = 'fresh', clock = 'follow' } = this.parts;
    this.runner.followWall(clock);
    if (identity === 'fresh') for (const event of freshIdentityEvents()) this.runner.enqueue(event);
    await disks?.goLive(this.runner);
    return await this.runner.run();
  }
}
