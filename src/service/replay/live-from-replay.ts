import type { Finish } from '../../device/finisher/test-finisher.ts';
import type { ConsolePort, MachineCore } from '../../machine/core.ts';
import { nodeClock } from '../../platform/node/clock.ts';
import { NodeLoop } from '../../platform/node/node-loop.ts';
import { freshIdentityEvents } from '../../run/identity.ts';
import { type LiveOptions, LiveRunner } from '../../run/live-runner.ts';
import { InputQueue } from '../machine/input-queue.ts';
import type { ReplayDisks } from './replay-disks.ts';

export interface LiveFromReplayParts {
  /** Of a replay that is not continued; its output goes where it went. */
  readonly core: MachineCore;
  readonly consolePort: ConsolePort;
  readonly disks: ReplayDisks | undefined;
  /** For a recording of how it goes on. */
  readonly hooks?: LiveOptions;
  /** The guest is not to learn that it is another machine, nor what the time is now. */
  readonly exactTwin?: boolean;
}

/** A machine that goes on from a place in a recording: from there on it is a machine like others, and one of its own. */
export class LiveFromReplay {
  private readonly parts: LiveFromReplayParts;
  private readonly runner: LiveRunner;
  private readonly input: InputQueue;

  constructor(parts: LiveFromReplayParts) {
    const { core, consolePort } = parts;
    this.parts = parts;
    const loop = new NodeLoop(() => this.input.flow());
    this.runner = new LiveRunner(core, nodeClock, loop, parts.hooks);
    this.input = new InputQueue({
      core,
      port: consolePort,
      untilListening: false,
      handOver: (bytes) => this.runner.input(consolePort, bytes),
    });
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
    const { disks, exactTwin = false } = this.parts;
    if (!exactTwin) {
      this.runner.followWall();
      for (const event of freshIdentityEvents()) this.runner.arrive(event);
    }
    await disks?.goLive(this.runner);
    return await this.runner.run();
  }
}
