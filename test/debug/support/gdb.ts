import { type ChildProcess, spawn } from 'node:child_process';
import { liveTarget } from '../../../src/debug/live-target.ts';
import { replayTarget } from '../../../src/debug/replay-target.ts';
import type { Finish } from '../../../src/device/finisher/test-finisher.ts';
import type { MachineCore } from '../../../src/machine/core.ts';
import { nodeClock } from '../../../src/platform/node/clock.ts';
import { Timeline } from '../../../src/replay/timeline.ts';
import { LiveRunner } from '../../../src/run/live-runner.ts';
import type { LoggedEvent } from '../../../src/run/replay-runner.ts';
import { type GdbAddress, GdbServer } from '../../../src/service/debug/gdb-server.ts';
import { MachineLoop } from '../../../src/service/machine/machine-loop.ts';

export const GDB = 'gdb-multiarch';
const PATIENCE_MS = 90_000;

/** A gdb that carries out commands and ends. */
export class Gdb {
  /** All that it printed. */
  readonly ended: Promise<string>;
  private readonly child: ChildProcess;
  private printed = '';

  constructor(commands: readonly string[], program?: string) {
    const settings = ['set pagination off', 'set confirm off', 'set width 0', 'set debuginfod enabled off'];
    const parameters = [...settings, ...commands].flatMap((command) => ['-ex', command]);
    const child = spawn(GDB, ['-q', '-nx', '-batch', ...parameters, ...(program ? [program] : [])], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (this.printed += bytes));
    this.ended = new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`gdb did not come to an end:\n${this.printed}`));
      }, PATIENCE_MS);
      child.on('close', () => {
        clearTimeout(timer);
        resolve(this.printed);
      });
    });
  }

  /** How often it has printed a text so far. */
  count(text: string): number {
    return this.printed.split(text).length - 1;
  }

  /** As Ctrl-C. */
  interrupt(): void {
    this.child.kill('SIGINT');
  }
}

/** Runs gdb with these commands and gives all that it printed. */
export function gdb(commands: readonly string[], program?: string): Promise<string> {
  return new Gdb(commands, program).ended;
}

/** A machine in this process that runs live, which a debugger can reach. */
export class LiveMachine {
  readonly core: MachineCore;
  readonly runner: LiveRunner;
  readonly server: GdbServer;
  readonly finished: Promise<Finish | undefined>;
  killed = false;

  private constructor(core: MachineCore, runner: LiveRunner, server: GdbServer) {
    this.core = core;
    this.runner = runner;
    this.server = server;
    this.finished = runner.run().then(async (finish) => {
      await server.close(finish?.code ?? 0);
      return finish;
    });
  }

  /** It stands at its first instruction until a debugger lets it go. */
  static async start(
    core: MachineCore,
    address: GdbAddress = 0,
    onEvent: (stamped: LoggedEvent) => void = () => {},
  ): Promise<LiveMachine> {
    const runner = new LiveRunner(core, nodeClock, new MachineLoop());
    runner.listen({ event: onEvent });
    const late: { machine?: LiveMachine } = {};
    const target = liveTarget({
      core,
      runner,
      kill: () => {
        late.machine!.killed = true;
        runner.stop();
      },
    });
    runner.halt();
    const machine = new LiveMachine(core, runner, await GdbServer.listen(address, target));
    late.machine = machine;
    return machine;
  }

  async stop(): Promise<void> {
    this.runner.stop();
    await this.finished;
  }
}

/** A replay in this process, which a debugger can reach. */
export class ReplayedMachine {
  readonly timeline: Timeline;
  readonly server: GdbServer;
  failure: unknown;

  private constructor(timeline: Timeline, server: GdbServer) {
    this.timeline = timeline;
    this.server = server;
  }

  static async start(
    core: MachineCore,
    events: readonly LoggedEvent[],
    endBranches: bigint,
    address: GdbAddress = 0,
  ): Promise<ReplayedMachine> {
    const timeline = new Timeline({ core, events, endBranches });
    const late: { machine?: ReplayedMachine } = {};
    const target = replayTarget({
      timeline,
      loop: new MachineLoop(),
      kill: () => {},
      failed: (error) => {
        late.machine!.failure = error;
      },
    });
    const machine = new ReplayedMachine(timeline, await GdbServer.listen(address, target));
    late.machine = machine;
    return machine;
  }

  async stop(): Promise<void> {
    await this.server.close();
    this.timeline.dispose();
    if (this.failure !== undefined) throw this.failure;
  }
}
