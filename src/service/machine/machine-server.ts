import type { ActionRequest, FromMachine, MachineEnd, ToMachine } from '../../api/actions.ts';
import type {
  CheckpointOptions,
  CheckpointProgress,
  CheckpointReport,
  ForkOptions,
  ForkReport,
} from '../../api/checkpoint.ts';
import type { DebugOptions } from '../../api/debug.ts';
import type { MachineConfiguration, ProfileConfiguration, RestoreConfiguration } from '../../api/options.ts';
import type { RecordOptions } from '../../api/recording.ts';
import type { MachineStatistics } from '../../api/statistics.ts';
import { traceMachine } from '../../api/trace/tracer.ts';
import { toWireError } from '../../api/wire-error.ts';
import { formatByteSize } from '../../common/byte-size.ts';
import { GodwitError } from '../../common/errors.ts';
import type { Finish } from '../../device/finisher/test-finisher.ts';
import { readBootImage } from '../../machine/boot/images.ts';
import { TIMEBASE_HZ } from '../../machine/boot/memory-map.ts';
import { type ConsolePort, type CoreOptions, MachineCore } from '../../machine/core.ts';
import type { Engine } from '../../machine/engine.ts';
import { bootImages, type Images } from '../../machine/linux.ts';
import { MEMORY_LIMIT_BYTES } from '../../memory/arena.ts';
import type { PageSource } from '../../memory/page-source.ts';
import type { FrameSnapshot } from '../../memory/snapshot.ts';
import { nodeClock } from '../../platform/node/clock.ts';
import { collectGarbage } from '../../platform/node/garbage.ts';
import { NodeLoop } from '../../platform/node/node-loop.ts';
import { freshIdentityEvents } from '../../run/identity.ts';
import { LiveRunner } from '../../run/live-runner.ts';
import { imagesOf, openCheckpointed, resetFrom } from '../checkpoint/checkpointed-machine.ts';
import { Checkpointer, type CheckpointPlace } from '../checkpoint/checkpointer.ts';
import { MachineDebugger } from '../debug/machine-debugger.ts';
import { MachineDisks } from '../disk/machine-disks.ts';
import { MachineRecordings } from '../recording/machine-recordings.ts';
import { takeWarmedUp } from '../warm/warm-up.ts';
import { Origin } from './fork-origin.ts';
import type { ForkRequest } from './host-messages.ts';
import { InputQueue } from './input-queue.ts';
import { MachineFiles } from './machine-files.ts';
import type { MachineHost } from './machine-host.ts';
import { OutputMeter } from './output-meter.ts';
import { Prefetch } from './prefetch.ts';
import { ProfileRecorder } from './profile-recorder.ts';
import { TraceBuffer } from './trace-buffer.ts';

type Send = (message: FromMachine, transfer?: ArrayBuffer[]) => void;

interface ServerParts {
  readonly configuration: MachineConfiguration;
  readonly disks: MachineDisks;
  readonly core: MachineCore;
  readonly send: Send;
  readonly host: MachineHost;
  /** Input waits until the guest listens to its console. */
  readonly untilListening: boolean;
  /** What it boots from, when it does not go on from something else. */
  readonly files?: MachineFiles;
  /** The checkpoint that the machine goes on from. */
  readonly from?: CheckpointPlace & { readonly pages: PageSource };
  /** The last checkpoint that a forked machine comes from. */
  readonly parent?: CheckpointPlace | undefined;
}

/** What a fork is made of: a snapshot in the memory of the thread's engine, and what goes with it. */
export interface ForkSeed extends Pick<ForkRequest, 'state' | 'disks' | 'parent'> {
  readonly engine: Engine;
  readonly origin: Origin;
  readonly memory: FrameSnapshot;
}

/** A machine with its disks in this thread, and what carries out actions on it. */
export class MachineServer {
  private readonly configuration: MachineConfiguration;
  private readonly send: Send;
  private readonly host: MachineHost;
  private readonly disks: MachineDisks;
  private readonly core: MachineCore;
  private readonly loop: NodeLoop;
  private readonly runner: LiveRunner;
  private readonly input: InputQueue;
  private readonly output: OutputMeter;
  private readonly trace: TraceBuffer | undefined;
  private readonly checkpoints: Checkpointer;
  private readonly recordings: MachineRecordings;
  private readonly prefetch: Prefetch;
  private readonly debugger: MachineDebugger;
  private profile: ProfileRecorder | undefined;
  /** It becomes an individual of its own when it starts. */
  private takesFreshIdentity = false;
  private running: Promise<Finish | undefined> | undefined;
  private startedMs = 0;
  private firstOutputMs: number | undefined;
  private ending = false;

  /** Opens everything. Throws GodwitError, with nothing left open. */
  static async open(configuration: MachineConfiguration, send: Send, host: MachineHost): Promise<MachineServer> {
    const files = await MachineFiles.open(configuration);
    try {
      let first: Images | undefined = files.read();
      const untilListening = isLinux(first, configuration.memoryBytes);
      const images = (): Images => {
        const found = first ?? files.read();
        first = undefined;
        return found;
      };
      const disks = await MachineDisks.open(configuration);
      const parts = { configuration, disks, send, host, untilListening, files };
      const load = bootImages(images);
      const make = (late: CoreOptions) => makeCore({ ...late, load });
      const server = await MachineServer.assemble(parts, make);
      host.setOrigin(server.core.engine, new Origin({ configuration, load, files }));
      // Tens of megabytes that were read.
      collectGarbage();
      if (configuration.profile) await server.startProfile(configuration.profile, files);
      return server;
    } catch (error) {
      files.close();
      throw error;
    }
  }

  private async startProfile(profile: ProfileConfiguration, files: MachineFiles): Promise<void> {
    try {
      this.profile = await ProfileRecorder.start(profile, this.core, files);
    } catch (error) {
      await this.close(undefined);
      throw error;
    }
  }

  /** Goes on from a checkpoint. Pages are read when they are touched. Throws GodwitError, with nothing left open. */
  static async restore(request: RestoreConfiguration, send: Send, host: MachineHost): Promise<MachineServer> {
    const { configuration, disks, opened, store } = await openCheckpointed(request);
    const { state, meta } = opened;
    const warmedUp = takeWarmedUp(opened, configuration);
    if (warmedUp) opened.pages.close();
    const { pages } = warmedUp ?? opened;
    const load = resetFrom(configuration);
    const make = (late: CoreOptions) =>
      makeCore(late, async () => {
        const options = { ...late, load };
        return warmedUp?.become(options) ?? MachineCore.restore(options, state, pages);
      });
    try {
      const from = { store, id: meta.id, pages };
      const server = await MachineServer.assemble(
        { configuration, disks, send, host, untilListening: false, from },
        make,
      );
      const checkpoint = { store, id: meta.id };
      host.setOrigin(server.core.engine, new Origin({ configuration, load, checkpoint, pages }));
      server.disks.resubmit(server.core.board.disks);
      if (!request.exactTwin) server.takeFreshIdentity();
      return server;
    } catch (error) {
      pages.close();
      throw error;
    }
  }

  /** Goes on from a snapshot of another machine in the same memory. Throws GodwitError, with nothing left open. */
  static async fork(
    { engine, origin, memory, state, disks, parent }: ForkSeed,
    send: Send,
    host: MachineHost,
  ): Promise<MachineServer> {
    const opened = await MachineDisks.openOver(disks);
    const { configuration, load } = origin;
    return await MachineServer.assemble(
      { configuration, disks: opened, send, host, untilListening: false, parent },
      (late) => MachineCore.adopt(engine, { ...late, load }, { state, memory }),
    );
  }

  /** After `fork`, when it has its number. */
  begin({ exactTwin, start }: Pick<ForkRequest, 'exactTwin' | 'start'>): void {
    if (!exactTwin) this.takeFreshIdentity();
    this.disks.resubmit(this.core.board.disks);
    if (start) this.start();
  }

  /** Connects a core, which `make` makes, with its hooks. Closes the disks when that fails. */
  private static async assemble(
    parts: Omit<ServerParts, 'core'>,
    make: (options: CoreOptions) => Promise<MachineCore> | MachineCore,
  ): Promise<MachineServer> {
    // The machine and what it is connected to need each other: these are set when both are there.
    const late: { server?: MachineServer } = {};
    const { configuration, disks } = parts;
    const { memoryBytes, seed, terminal, translation } = configuration;
    disks.connect({
      memory: () => late.server!.core.ram.bytes,
      complete: (disk, id, completion) => late.server?.runner.completeBlock(disk, id, completion),
      failed: (disk, error) => late.server?.send({ kind: 'disk-error', disk, error: toWireError(error) }),
    });
    try {
      const core = await make({
        memoryBytes,
        seed,
        terminal,
        translation,
        compiler: parts.host.compiler,
        collectGarbage,
        epochNanoseconds: nodeClock.epochNanoseconds(),
        disks: disks.descriptions,
        load: () => {
          throw new GodwitError('unsupported', 'A machine that did not start from its images cannot be reset.');
        },
        output: (port, bytes) => late.server?.print(port, bytes),
        shared: true,
        reservedBytes: MEMORY_LIMIT_BYTES,
      });
      const server = new MachineServer({ ...parts, core });
      late.server = server;
      return server;
    } catch (error) {
      await disks.close();
      await disks.removeTemporary();
      throw error;
    }
  }

  private constructor(parts: ServerParts) {
    const { configuration, core, send } = parts;
    parts.host.addMachine(this);
    this.configuration = configuration;
    this.send = send;
    this.host = parts.host;
    this.disks = parts.disks;
    this.core = core;
    this.loop = new NodeLoop(() => this.afterRound());
    this.recordings = this.makeRecordings(parts);
    this.runner = new LiveRunner(core, nodeClock, this.loop, this.recordings.hooks);
    this.debugger = new MachineDebugger({
      core,
      runner: this.runner,
      kill: () => this.stop(),
      readonlyBecause: () => this.recordings.debuggersMayNotWrite,
    });
    this.output = new OutputMeter(this.loop);
    const port = configuration.consolePort;
    this.input = new InputQueue({
      core,
      port,
      untilListening: parts.untilListening,
      handOver: (bytes) => this.runner.input(port, bytes),
    });
    const { from } = parts;
    const last = from && { store: from.store, id: from.id, written: core.ram.watchWrites() };
    const onProgress = (progress: CheckpointProgress) => send({ kind: 'checkpoint-progress', progress });
    const { parent } = parts;
    this.checkpoints = new Checkpointer(core, this.disks, configuration, { onProgress, last, parentPlace: parent });
    this.prefetch = new Prefetch(core.ram, from?.pages.hotPages ?? []);
    if (configuration.trace) {
      const trace = new TraceBuffer((text) => {
        this.output.sent(text.length);
        send({ kind: 'trace', text });
      });
      traceMachine(core, configuration.trace, (line) => trace.write(line));
      this.trace = trace;
    }
  }

  private makeRecordings({ configuration, disks, core, send, files }: ServerParts): MachineRecordings {
    const { memoryBytes, consolePort } = configuration;
    return new MachineRecordings({
      core,
      machine: {
        memoryBytes,
        consolePort,
        disks: disks.descriptions.map(({ sizeBytes, readonly, serial }) => ({ sizeBytes, readonly, serial })),
      },
      images: () => files?.read() ?? imagesOf(configuration),
      onFailure: (error) => send({ kind: 'recording-error', error: toWireError(error) }),
      hold: (held) => (held ? this.loop.block(this) : this.loop.release(this)),
    });
  }

  private print(port: ConsolePort, view: Uint8Array): void {
    if (port !== this.configuration.consolePort || view.length === 0) return;
    this.input.noteOutput();
    this.firstOutputMs ??= nodeClock.nowMs() - this.startedMs;
    const bytes = new Uint8Array(view);
    this.output.sent(bytes.length);
    this.send({ kind: 'output', port, bytes }, [bytes.buffer]);
  }

  private afterRound(): void {
    // A guest that works brings in what it needs itself.
    if (this.core.hart.waiting) this.prefetch.step();
    this.input.flow();
    this.trace?.flush();
  }

  receive(message: ToMachine): void {
    if (message.kind === 'consumed') {
      this.output.acknowledge(message.bytes);
      return;
    }
    void this.answer(message);
  }

  private async answer(request: ActionRequest): Promise<void> {
    const { id } = request;
    try {
      this.send({ kind: 'reply', id, result: await this.perform(request) });
    } catch (error) {
      this.send({ kind: 'refusal', id, error: toWireError(error) });
    }
  }

  private perform(request: ActionRequest): unknown {
    switch (request.action) {
      case 'start':
        return this.start();
      case 'pause':
        return this.runner.pause();
      case 'resume':
        return this.runner.resume();
      case 'stop':
        return this.stop();
      case 'statistics':
        return this.statistics();
      case 'input':
        return this.type(request.parameters.bytes);
      case 'resize':
        return this.runner.resize(request.parameters.columns, request.parameters.rows);
      case 'checkpoint':
        return this.checkpoint(request.parameters);
      case 'cancel-checkpoint':
        return this.checkpoints.cancel();
      case 'fork':
        return this.fork(request.parameters);
      case 'record':
        return this.record(request.parameters);
      case 'stop-recording':
        return this.recordings.stop(request.parameters.path);
      case 'save-flight':
        return this.recordings.saveFlight(request.parameters.path, request.parameters);
      case 'debug':
        return this.debug(request.parameters);
    }
  }

  private checkpoint(options: CheckpointOptions): Promise<CheckpointReport> {
    if (this.ending) throw new GodwitError('state', 'The machine has ended.');
    return this.checkpoints.create(options);
  }

  private record({ path, replace = false, lastMinutes }: RecordOptions): Promise<void> {
    if (this.ending) throw new GodwitError('state', 'The machine has ended.');
    return lastMinutes === undefined
      ? this.recordings.start(path, { replace })
      : this.recordings.startFlight(path, lastMinutes, { replace });
  }

  private debug(options: DebugOptions): Promise<string> {
    if (this.ending) throw new GodwitError('state', 'The machine has ended.');
    return this.debugger.listen(options);
  }

  private async fork({
    thread = this.host.thread,
    exactTwin = false,
    start = true,
  }: ForkOptions & { readonly thread?: number }): Promise<ForkReport> {
    if (this.ending) throw new GodwitError('state', 'The machine has ended.');
    if (exactTwin && this.takesFreshIdentity && !this.running) {
      throw new GodwitError(
        'state',
        'The machine has no exact twin yet: it becomes an individual of its own when it starts.',
        {
          hint: 'Start it first, or restore or fork it as an exact twin.',
        },
      );
    }
    const { host } = this;
    const { snapshot, disks, pauseMs } = await this.checkpoints.freezeForFork();
    const { state, memory } = snapshot;
    const request = { state, disks, parent: this.checkpoints.parentCheckpoint, exactTwin, start };
    const machine =
      thread === host.thread ? await host.fork(memory, request) : await host.forkElsewhere(thread, memory, request);
    return { thread, machine, pauseMs, started: start };
  }

  /** Before it executes: what goes on from the same state elsewhere is another machine. */
  private takeFreshIdentity(): void {
    this.takesFreshIdentity = true;
    this.runner.followWall();
    for (const event of freshIdentityEvents()) this.runner.arrive(event);
  }

  private type(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.input.push(bytes, resolve);
      this.input.flow();
    });
  }

  private start(): void {
    if (this.running) throw new GodwitError('state', 'The machine has been started already.');
    this.startedMs = nodeClock.nowMs();
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

  private async end(finish: Finish | undefined): Promise<void> {
    if (this.ending) return;
    this.ending = true;
    const statistics = this.statistics();
    this.trace?.flush();
    const error = await this.close(finish);
    if (error) this.send({ kind: 'failed', error: toWireError(error) });
    else this.send({ kind: 'ended', end: { ...endOf(finish), statistics } });
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
    const error = await this.disks.close();
    this.core.dispose();
    // Forks use images of the machine that they come from, also when it has ended.
    await this.host.removeMachine(this, () => this.disks.removeTemporary());
    return error ?? unwritten;
  }

  private statistics(): MachineStatistics {
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
      engine: this.core.engine.statistics(this.core.hart.address),
    };
  }
}

/** The host refuses memory with a RangeError. */
async function makeCore(
  options: CoreOptions,
  make: () => Promise<MachineCore> = () => MachineCore.create(options),
): Promise<MachineCore> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const size = formatByteSize(options.memoryBytes);
    throw new GodwitError('limit', `This computer does not give a machine ${size} of memory.`, { cause: error });
  }
}

/** Whether the first program that runs is Linux, whose driver clears the UART when it opens it. */
function isLinux({ kernel, bios }: Images, memoryBytes: number): boolean {
  return (
    bios === undefined && kernel !== undefined && readBootImage('The kernel', kernel, memoryBytes).kind === 'linux'
  );
}

const EXIT_CODE_LIMIT = 255;

function endOf(finish: Finish | undefined): Pick<MachineEnd, 'reason' | 'exitCode'> {
  if (finish === undefined) return { reason: 'stopped', exitCode: 0 };
  const code = Math.min(finish.code, EXIT_CODE_LIMIT);
  if (finish.kind === 'pass') return { reason: 'power-off', exitCode: code };
  return { reason: 'failure', exitCode: Math.max(code, 1) };
}
