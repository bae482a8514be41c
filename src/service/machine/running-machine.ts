import type { ContinueOptions } from '../../api/checkpoint.ts';
import type { ProfileConfiguration } from '../../api/options.ts';
import type { MachineStatistics } from '../../api/statistics.ts';
import { toWireError } from '../../api/wire-error.ts';
import { GodwitError } from '../../common/errors.ts';
import type { Finish } from '../../device/finisher/test-finisher.ts';
import { TIMEBASE_HZ } from '../../machine/boot/memory-map.ts';
import type { MachineCore } from '../../machine/core.ts';
import type { ConsolePort } from '../../machine/events.ts';
import { platform } from '../../platform/platform.ts';
import { freshIdentityEvents } from '../../run/identity.ts';
import { LiveRunner } from '../../run/live-runner.ts';
import { OPEN_GATE, type OutputGate } from '../../run/output-gate.ts';
import type { MachineAgent } from '../agent/machine-agent.ts';
import type { Checkpointer } from '../checkpoint/checkpointer.ts';
import { MachineDebugger } from '../debug/machine-debugger.ts';
import type { MachineDisks } from '../disk/machine-disks.ts';
import type { MachineRecordings } from '../recording/machine-recordings.ts';
import type { MachineShares } from '../share/machine-shares.ts';
import { InputQueue } from './input-queue.ts';
import { endOf } from './machine-end.ts';
import type { MachineFiles } from './machine-files.ts';
import { MachineLoop } from './machine-loop.ts';
import {
  type MachineParts,
  makeAgent,
  makeCheckpointer,
  makeRecordings,
  makeTrace,
  type Send,
} from './machine-parts.ts';
import { OutputMeter } from './output-meter.ts';
import { Prefetch } from './prefetch.ts';
import { ProfileRecorder } from './profile-recorder.ts';
import type { ThreadMachines } from './thread-machines.ts';
import type { TraceBuffer } from './trace-buffer.ts';

/**
 * A machine with its disks in this thread, from when it is there until it has ended. What is asked of it is in
 * actions.ts.
 */
export class RunningMachine {
  readonly host: ThreadMachines;
  readonly core: MachineCore;
  readonly runner: LiveRunner;
  readonly disks: MachineDisks;
  readonly shares: MachineShares;
  readonly checkpoints: Checkpointer;
  readonly recordings: MachineRecordings;
  readonly debugger: MachineDebugger;
  readonly output: OutputMeter;
  readonly agent: MachineAgent;
  readonly send: Send;
  private readonly consolePort: ConsolePort;
  private readonly gate: OutputGate;
  private readonly input: InputQueue;
  private readonly trace: TraceBuffer | undefined;
  private readonly prefetch: Prefetch;
  private profile: ProfileRecorder | undefined;
  /** It gets an identity of its own when it starts. */
  private takesFreshIdentity = false;
  private running: Promise<Finish | undefined> | undefined;
  private startedMs = 0;
  private firstOutputMs: number | undefined;
  private ending = false;

  constructor(parts: MachineParts) {
    const { configuration, core, disks, shares, host, send, from, untilListening } = parts;
    host.addMachine(this);
    this.send = send;
    this.host = host;
    this.disks = disks;
    this.shares = shares;
    this.core = core;
    this.gate = parts.gate ?? OPEN_GATE;
    const loop = new MachineLoop(() => this.afterRound());
    this.recordings = makeRecordings(parts, loop, (listener) => this.runner.listen(listener));
    const { endsAtReset = false } = configuration;
    this.runner = new LiveRunner(core, platform().clock, loop, {
      endsAtReset,
      onWallSet: (wallNanoseconds) => this.agent.setClock(wallNanoseconds),
    });
    this.debugger = new MachineDebugger({
      changed: (state) => send({ kind: 'debugger', state }),
      core,
      runner: this.runner,
      kill: () => this.stop(),
      readonlyBecause: () => this.recordings.debuggersMayNotWrite,
    });
    this.output = new OutputMeter(loop);
    const port = configuration.consolePort;
    this.consolePort = port;
    this.input = new InputQueue({ core, port, untilListening, handOver: (bytes) => this.runner.input(port, bytes) });
    this.agent = makeAgent(core, (bytes) => this.runner.input('agent', bytes));
    this.checkpoints = makeCheckpointer(parts);
    this.prefetch = new Prefetch(core.ram, from?.pages.hotPages ?? []);
    this.trace = makeTrace(parts, this.output);
  }

  async startProfile(profile: ProfileConfiguration, files: MachineFiles): Promise<void> {
    try {
      this.profile = await ProfileRecorder.start(profile, this.core, files);
    } catch (error) {
      await this.close(undefined);
      throw error;
    }
  }

  /** Before it executes, when it goes on from a state that other machines may go on from, too. */
  continueAs({ identity, clock }: Required<ContinueOptions>): void {
    this.runner.followWall(clock);
    if (identity === 'same') return;
    this.agent.begin();
    this.takesFreshIdentity = true;
    for (const event of freshIdentityEvents()) this.runner.enqueue(event);
  }

  /** It will be another machine when it starts: until then it has no identity that a fork could share. */
  get awaitsIdentity(): boolean {
    return this.takesFreshIdentity && !this.running;
  }

  /** The guest printed. */
  print(port: ConsolePort, view: Uint8Array): void {
    if (port !== this.consolePort || view.length === 0) return;
    this.input.noteOutput();
    this.firstOutputMs ??= platform().clock.nowMs() - this.startedMs;
    const bytes = new Uint8Array(view);
    this.gate.release(bytes.length, () => {
      this.output.sent(bytes.length);
      this.send({ kind: 'output', port, bytes }, [bytes.buffer]);
    });
  }

  /** The guest's agent said something. */
  hearAgent(view: Uint8Array): void {
    const bytes = new Uint8Array(view);
    this.gate.release(bytes.length, () => this.agent.receive(bytes));
  }

  agentOpened(isOpen: boolean): void {
    this.gate.release(0, () => this.agent.opened(isOpen));
  }

  private afterRound(): void {
    // A guest that works brings in what it needs itself.
    if (this.core.waiting) this.prefetch.step();
    this.input.flow();
    this.trace?.flush();
  }

  /** Resolves when the guest's device has all of it. */
  type(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.input.push(bytes, resolve);
      this.input.flow();
    });
  }

  /** It is new: its clocks are the wall's from the beginning. */
  beginAnew(): void {
    this.runner.followWall('follow');
  }

  start(): void {
    if (this.running) throw new GodwitError('state', 'The machine has been started already.');
    this.startedMs = platform().clock.nowMs();
    this.running = this.runner.run();
    this.running.then(
      (finish) => this.end(finish),
      (error) => this.breakDown(error),
    );
  }

  /** Answered at once: the end is a message of its own. */
  stop(): void {
    this.output.stop();
    if (this.running) this.runner.stop();
    else void this.end(undefined);
  }

  /** Throws GodwitError('state') for a machine whose end has come. */
  requireLife(): void {
    if (this.ending) throw new GodwitError('state', 'The machine has ended.');
  }

  private async end(finish: Finish | undefined): Promise<void> {
    if (this.ending) return;
    this.ending = true;
    const statistics = this.statistics();
    this.trace?.flush();
    const error = await this.close(finish);
    if (error) this.send({ kind: 'failed', error: toWireError(error) });
    // What it printed last is seen before.
    else this.gate.release(0, () => this.send({ kind: 'ended', end: { ...endOf(finish), statistics } }));
  }

  private async breakDown(error: unknown): Promise<void> {
    if (this.ending) return;
    this.ending = true;
    this.trace?.flush();
    await this.close(undefined);
    this.send({ kind: 'failed', error: toWireError(error) });
  }

  private async close(finish: Finish | undefined): Promise<unknown> {
    await this.debugger.close(endOf(finish).exitCode);
    await this.recordings.close(finish);
    const unwritten = await this.profile?.finish().catch((error: unknown) => error);
    await this.checkpoints.close();
    await this.shares.close();
    const error = await this.disks.close();
    this.core.dispose();
    // Forks use images of the machine that they come from, also when it has ended.
    await this.host.removeMachine(this, () => this.disks.removeTemporary());
    return error ?? unwritten;
  }

  statistics(): MachineStatistics {
    const { instructions, branches, wallMs, busyMs, guestTicks, resets } = this.runner.stats;
    const { firstOutputMs } = this;
    return {
      instructions: Number(instructions),
      branches: Number(branches),
      wallMs: this.running ? wallMs : 0,
      busyMs,
      guestMs: Number(guestTicks) / (TIMEBASE_HZ / 1000),
      ...(firstOutputMs === undefined ? {} : { firstOutputMs }),
      resets,
      engine: this.core.engine.statistics(this.core.current.address),
    };
  }
}
