import type { Disk } from '../../src/backend/disk/disk.ts';
import type { Finish } from '../../src/device/finisher/test-finisher.ts';
import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import { bootImages, type Images } from '../../src/machine/linux.ts';
import type { MachineSnapshot } from '../../src/machine/machine-snapshot.ts';
import type { HostClock } from '../../src/platform/clock.ts';
import { nodeClock } from '../../src/platform/node/clock.ts';
import type { RecordingSink } from '../../src/recording/host.ts';
import { Recorder, type RecorderParts } from '../../src/recording/recorder.ts';
import type { HostLoop } from '../../src/run/host-loop.ts';
import type { LiveListener } from '../../src/run/listeners.ts';
import { LiveRunner } from '../../src/run/live-runner.ts';
import { OPEN_GATE, type OutputGate } from '../../src/run/output-gate.ts';
import { DiskPort } from '../../src/service/disk/disk-port.ts';
import { MachineLoop } from '../../src/service/machine/machine-loop.ts';
import { recordingHost } from '../../src/service/recording/recording-host.ts';

/** A recording in memory. */
export class MemorySink implements RecordingSink {
  private readonly pieces: Uint8Array[] = [];
  finished = false;

  async append(bytes: Uint8Array): Promise<void> {
    this.pieces.push(bytes.slice());
  }
  async finish(): Promise<void> {
    this.finished = true;
  }
  async abandon(): Promise<void> {}

  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.pieces));
  }
}

export interface LiveMachineOptions {
  readonly images: Images;
  readonly memoryBytes?: number;
  readonly disks?: readonly Disk[];
  readonly core?: Partial<CoreOptions>;
  readonly clock?: HostClock;
  readonly loop?: HostLoop;
  readonly seed?: number;
  /** Stands before its console and its disks. */
  readonly gate?: OutputGate;
}

const MIB = 1024 ** 2;
const SERIAL = 'recorded';

/** What a machine with these disks is connected to, which is there only when the machine is. */
function connect(disks: readonly Disk[], late: { machine?: LiveMachine }, gate: OutputGate = OPEN_GATE) {
  const decoder = new TextDecoder();
  const ports = disks.map(
    (disk, index) =>
      new DiskPort({
        disk,
        memory: () => late.machine!.core.ram.bytes,
        complete: (id, completion) => late.machine?.runner.completeBlock(index, id, completion),
        failed: () => {},
        gate,
      }),
  );
  const connections = {
    output: (_port: unknown, bytes: Uint8Array) => {
      const text = decoder.decode(bytes, { stream: true });
      gate.release(bytes.length, () => late.machine?.print(text));
    },
    disks: disks.map(({ sizeBytes, readonly }, index) => {
      return { sizeBytes, readonly, serial: SERIAL, backend: ports[index]! };
    }),
  };
  return { ports, connections };
}

/** A live machine with real clocks, timers and disks, that can be recorded, and what it prints. */
export class LiveMachine {
  readonly core: MachineCore;
  readonly runner: LiveRunner;
  private readonly options: LiveMachineOptions;
  private readonly ports: readonly DiskPort[];
  private readonly waits: { wanted: string; from: number; resolve: () => void }[] = [];
  printed = '';
  private finished: Promise<Finish | undefined> | undefined;

  static async create(options: LiveMachineOptions): Promise<LiveMachine> {
    const late: { machine?: LiveMachine } = {};
    const { ports, connections } = connect(options.disks ?? [], late, options.gate);
    const core = await MachineCore.create({
      memoryBytes: options.memoryBytes ?? 96 * MIB,
      reservedBytes: 1024 * MIB,
      seed: new Uint8Array(32).fill(options.seed ?? 7),
      epochNanoseconds: 1_700_000_000_000_000_000n,
      load: bootImages(options.images),
      ...connections,
      ...options.core,
    });
    late.machine = new LiveMachine(core, options, ports);
    return late.machine;
  }

  /** Another machine in the same memory, that goes on from there. */
  fork(snapshot: MachineSnapshot, disks: readonly Disk[]): LiveMachine {
    const late: { machine?: LiveMachine } = {};
    const { ports, connections } = connect(disks, late);
    late.machine = new LiveMachine(this.core.fork(snapshot, connections), { ...this.options, disks }, ports);
    return late.machine;
  }

  private constructor(core: MachineCore, options: LiveMachineOptions, ports: readonly DiskPort[]) {
    this.core = core;
    this.options = options;
    this.ports = ports;
    this.runner = new LiveRunner(core, options.clock ?? nodeClock, options.loop ?? new MachineLoop());
  }

  record(sink: RecordingSink, more: Partial<RecorderParts> = {}): Recorder {
    const recorder = this.makeRecorder(sink, more);
    this.runner.listen(recorder);
    return recorder;
  }

  /** Tells it everything from now on. */
  observe(listener: LiveListener): void {
    this.runner.listen(listener);
  }

  makeRecorder(sink: RecordingSink, more: Partial<RecorderParts> = {}): Recorder {
    return new Recorder({
      core: this.core,
      machine: {
        memoryBytes: this.core.ram.sizeBytes,
        consolePort: 'uart',
        disks: (this.options.disks ?? []).map(({ sizeBytes, readonly }) => ({ sizeBytes, readonly, serial: SERIAL })),
      },
      host: recordingHost(),
      sink,
      tool: 'test',
      images: () => this.options.images,
      ...more,
    });
  }

  print(text: string): void {
    this.printed += text;
    for (const wait of [...this.waits]) {
      if (!this.printed.includes(wait.wanted, wait.from)) continue;
      this.waits.splice(this.waits.indexOf(wait), 1);
      wait.resolve();
    }
  }

  /** Until it is printed, after what is there already when `from` says so. */
  shows(wanted: string, from = 0): Promise<void> {
    if (this.printed.includes(wanted, from)) return Promise.resolve();
    return new Promise((resolve) => this.waits.push({ wanted, from, resolve }));
  }

  type(text: string): void {
    this.runner.input('uart', new TextEncoder().encode(text));
  }

  start(): Promise<Finish | undefined> {
    this.finished ??= this.runner.run();
    return this.finished;
  }

  async stop(): Promise<void> {
    this.runner.stop();
    await this.finished;
    await Promise.all(this.ports.map((port) => port.drain()));
  }
}
