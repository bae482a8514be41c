import { invariant } from '../common/invariant.ts';
import type { GuestClock } from '../device/device.ts';
import type { Finish } from '../device/finisher/test-finisher.ts';
import { VMGENID_BYTES } from '../device/vmgenid/registers.ts';
import { Exit } from '../hart/constants.ts';
import * as L from '../hart/layout.ts';
import { TIME_FRACTION_BITS } from '../hart/library/timer.ts';
import { GuestRam } from '../memory/guest-ram.ts';
import { NO_SOURCE_YET, type PageSource } from '../memory/page-source.ts';
import type { FrameSnapshot } from '../memory/snapshot.ts';
import type { WrittenPages } from '../memory/written-pages.ts';
import type { PlainData } from '../state/plain-data.ts';
import { Board, hasAgentPort } from './board.ts';
import { type BoardVersion, boardVersionOf, CURRENT_BOARD } from './board-versions.ts';
import { makeEngine } from './core-engine.ts';
import type { CoreOptions, ForkOptions } from './core-options.ts';
import { DebugStops } from './debug-stops.ts';
import type { Engine } from './engine.ts';
import { SeededEntropy } from './entropy.ts';
import type { ExternalEvent, InputPort } from './events.ts';
import type { ExecutionPoint } from './execution-point.ts';
import { Hart } from './hart.ts';
import { connectHart, ramEvents } from './hart-ports.ts';
import { restoreTranslations } from './hart-state.ts';
import { machineDigest } from './machine-digest.ts';
import type { ForkState, MachineSnapshot } from './machine-snapshot.ts';
import { restoreMachine, saveMachine } from './machine-state.ts';
import type { Outcome } from './outcome.ts';
import type { PreparedMachine } from './prepared-machine.ts';
import { recentPages } from './recent-pages.ts';
import { callSbi } from './sbi-calls.ts';
import { UartOutput } from './uart-output.ts';

const NEVER = -1n;

interface BoardKind {
  readonly version: BoardVersion;
  readonly hasAgent: boolean;
}

/**
 * One machine, without a clock, a thread or a file of its own: it runs when told, up to a branch count, and what comes
 * from outside is delivered to it. The same events at the same execution points give the same state, always.
 */
export class MachineCore {
  readonly engine: Engine;
  readonly ram: GuestRam;
  readonly harts: readonly [Hart, ...Hart[]];
  /** The hart whose turn it is: harts run one at a time. */
  readonly current: Hart;
  /** A debugger's. */
  readonly stops: DebugStops;
  /** From `live` on. */
  board!: Board;
  readonly entropy: SeededEntropy;
  readonly clock: GuestClock;
  private readonly options: CoreOptions;
  private readonly printed: UartOutput;
  private finish: Finish | undefined;
  /** The one who drives the machine has been told of its finish. */
  private hasEnded = false;
  private epochNanoseconds: bigint;

  /** Without a board and a state: `live` gives it both. `memory`: what it begins with. */
  private constructor(engine: Engine, options: CoreOptions, memory?: FrameSnapshot | PageSource) {
    this.engine = engine;
    this.options = options;
    this.epochNanoseconds = options.epochNanoseconds ?? 0n;
    this.printed = new UartOutput((bytes) => options.output?.('uart', bytes));
    this.harts = [new Hart(engine.arena, 0)];
    this.current = this.harts[0];
    this.stops = new DebugStops(this.current);
    this.ram = new GuestRam(engine.arena, options.memoryBytes, ramEvents(engine, this.current), memory);
    this.entropy = new SeededEntropy(options.seed);
    this.clock = {
      ticks: () => this.ticks,
      epochNanoseconds: () => this.epochNanoseconds + this.ticks * 100n,
    };
  }

  /** Begins on a board of this version, or leaves nothing behind. */
  private live({ version, hasAgent }: BoardKind, begin: () => void): this {
    this.board = this.makeBoard(version, hasAgent);
    connectHart(this, () => this.updateTimers());
    try {
      begin();
    } catch (error) {
      this.dispose();
      throw error;
    }
    return this;
  }

  static async create(options: CoreOptions): Promise<MachineCore> {
    const core = new MachineCore(await makeEngine(options), options);
    return core.live({ version: CURRENT_BOARD, hasAgent: options.hasAgent ?? false }, () => core.beginLife());
  }

  /**
   * Makes all of a machine that does not depend on its state, which takes some milliseconds, so that beginning takes
   * less than one.
   */
  static async prepare(options: CoreOptions): Promise<PreparedMachine> {
    const core = new MachineCore(await makeEngine(options), options, NO_SOURCE_YET);
    let isUsed = false;
    const use = (): void => {
      invariant(!isUsed, 'a prepared machine is begun or disposed of once');
      isUsed = true;
    };
    return {
      ram: core.ram,
      begin: (state, pages) => {
        use();
        core.ram.beginFrom(pages);
        return core.live(boardOf(state), () => core.resumeFrom(state));
      },
      dispose: () => {
        use();
        core.dispose();
      },
    };
  }

  /**
   * A machine that goes on where another was saved, bit for bit. Its pages come from `pages` when they are touched.
   * Requests to disks that were under way are in `board.disks[n].pendingRequests()`, to be submitted again.
   * Throws GodwitError('damaged') for a state that is none, or not of a machine with these options.
   */
  static async restore(options: CoreOptions, state: PlainData, pages: PageSource): Promise<MachineCore> {
    return (await MachineCore.prepare(options)).begin(state, pages);
  }

  /** A second machine that goes on from a snapshot of this one, in the same memory: they share what neither writes. */
  fork({ state, memory }: ForkState, options: ForkOptions): MachineCore {
    return MachineCore.adopt(this.engine, { ...this.options, ...options }, { state, memory });
  }

  /** The same in another thread's engine over the same memory. `snapshot` is what `FrameSnapshot.of` gives there. */
  static adopt(engine: Engine, options: CoreOptions, { state, memory }: ForkState): MachineCore {
    const core = new MachineCore(engine, options, memory);
    return core.live(boardOf(state), () => core.resumeFrom(state));
  }

  private makeBoard(version: BoardVersion, hasAgent: boolean): Board {
    const { options } = this;
    return new Board({
      version,
      harts: this.harts,
      memory: this.ram,
      clock: this.clock,
      entropy: this.entropy,
      disks: options.disks ?? [],
      shares: options.shares ?? [],
      terminal: options.terminal ?? { columns: 80, rows: 24 },
      timersChanged: () => this.updateTimers(),
      finish: (finish) => this.requestFinish(finish),
      transmitUart: (byte) => this.printed.print(byte),
      transmitConsole: (bytes) => options.output?.('virtio', bytes),
      agent: hasAgent
        ? {
            transmit: (bytes) => options.agent?.transmit(bytes),
            opened: (isOpen) => options.agent?.opened(isOpen),
          }
        : undefined,
    });
  }

  private beginLife(): void {
    const id = new Uint8Array(VMGENID_BYTES);
    this.entropy.fill(id);
    this.board.generationId.begin(id);
    this.powerOn();
  }

  private powerOn(): void {
    this.finish = undefined;
    this.hasEnded = false;
    this.current.reset(0n);
    this.options.load(this);
    this.refresh();
  }

  private resumeFrom(state: PlainData): void {
    ({ epochNanoseconds: this.epochNanoseconds, finish: this.finish } = restoreMachine(this, state));
    this.hasEnded = this.finish !== undefined;
    this.derive();
  }

  /** Before the hart runs. */
  private enter(): void {
    const { current: hart, engine } = this;
    engine.enter(hart.address);
    if (!hart.waitingTranslations) return;
    restoreTranslations(engine.arena, hart, hart.waitingTranslations);
    hart.waitingTranslations = undefined;
  }

  /** Empties the TLBs, for a hart that begins anew. */
  private refresh(): void {
    const { address } = this.current;
    this.current.waitingTranslations = undefined;
    this.engine.arena.bytes.fill(0, address + L.SPACES, address + L.SPACES + 8 * L.SPACE_COUNT);
    this.current.put(L.NEXT_SPACE, 0n);
    this.current.put(L.LAST_SATP, 0n);
    this.engine.interpreter.tlb_flush_all(address);
    this.derive();
  }

  /** Sets what follows from the saved state. */
  private derive(): void {
    const { interpreter } = this.engine;
    const { address } = this.current;
    interpreter.pmp_updated(address);
    interpreter.update_contexts(address);
    this.updateTimers();
  }

  /** Guest time: 10 MHz ticks. */
  get ticks(): bigint {
    return BigInt.asUintN(64, this.engine.interpreter.time(this.current.address));
  }

  get point(): ExecutionPoint {
    return { hart: this.current.index, branches: this.current.branches, pc: this.current.pc };
  }

  /** Whether every hart waits for an interrupt. */
  get waiting(): boolean {
    return this.harts.every(isWaiting);
  }

  /** By all harts together. */
  get instructionsRetired(): bigint {
    return this.harts.reduce((sum, hart) => sum + hart.instructionsRetired, 0n);
  }

  /** Ticks per branch, fixed-point. */
  get clockRate(): bigint {
    return this.current.get(L.TIME_RATE);
  }

  /** The branch count with which guest time comes to `ticks`, unless something changes the clock before. */
  branchesAt(ticks: bigint): bigint {
    const left = ticks - this.ticks;
    const rate = this.clockRate;
    return this.current.branches + (left <= 0n ? 0n : ((left << BigInt(TIME_FRACTION_BITS)) + rate - 1n) / rate);
  }

  private updateTimers(): void {
    this.current.put(L.DEVICE_DEADLINE, this.board.rtc.nextAlarmTicks() ?? NEVER);
    this.engine.interpreter.timer_update(this.current.address);
  }

  /**
   * Runs up to the first counted transfer at which the branch count is at least `branches`, or until there is nothing
   * to run. A slice that ends early is reported as what ended it.
   */
  run(branches: bigint): Outcome {
    const { current: hart, engine } = this;
    if (this.hasEnded) return this.ended();
    this.enter();
    engine.translate();
    hart.put(L.SLICE_END, branches);
    // It had asked for its end in a single step.
    if (this.finish) hart.requestExit();
    engine.interpreter.timer_update(hart.address);
    for (;;) {
      const reason = engine.interpreter.run(hart.address);
      if (reason === Exit.sbi) {
        callSbi(this);
        if (!this.finish) continue;
        this.printed.flush();
        return this.ended();
      }
      if (reason === Exit.debug) return this.debugOutcome();
      const outcome = reason === Exit.waiting ? this.waitOutcome() : this.sliceOutcome(branches);
      if (!outcome) continue;
      this.printed.flush();
      return outcome;
    }
  }

  private ended(): Outcome {
    invariant(this.finish !== undefined, 'a machine ends by what the guest asked for');
    this.hasEnded = true;
    return { kind: 'finished', finish: this.finish };
  }

  private sliceOutcome(branches: bigint): Outcome | undefined {
    this.current.put(L.EXIT_REQUEST, 0n);
    if (this.finish) return this.ended();
    this.board.rtc.tick();
    this.updateTimers();
    return this.current.branches >= branches ? { kind: 'slice' } : undefined;
  }

  private debugOutcome(): Outcome {
    this.printed.flush();
    return { kind: 'debug', hit: this.stops.hit! };
  }

  private waitOutcome(): Outcome | undefined {
    this.board.rtc.tick();
    this.updateTimers();
    if (this.current.interruptsPending) return undefined;
    if (this.finish) return this.ended();
    return { kind: 'waiting', deadline: this.nextDeadline() };
  }

  /** Guest time of the next interrupt that comes by itself. */
  nextDeadline(): bigint | undefined {
    return this.current.nextDeadline(this.ticks);
  }

  /** While the hart waits: guest time jumps to the deadline. No event, since it follows from the state. */
  skipTo(deadline: bigint): void {
    invariant(this.waiting, 'guest time is skipped only while the hart waits');
    this.setClock(deadline, this.clockRate);
  }

  private setClock(ticks: bigint, rate: bigint): void {
    this.current.put(L.TIME_BASE_TICKS, ticks);
    this.current.put(L.TIME_BASE_BRANCHES, this.current.branches);
    this.current.put(L.TIME_RATE, rate);
    this.board.rtc.tick();
    this.updateTimers();
    this.current.interruptsChanged();
  }

  /** True when events may be delivered here: at a counted transfer, or waiting. */
  get acceptsEvents(): boolean {
    return this.waiting || this.current.get(L.EVENT_PENDING) !== 0n || this.current.branches === 0n;
  }

  /** Something from outside reaches the machine at this execution point. */
  deliver(event: ExternalEvent): void {
    invariant(this.acceptsEvents, 'events are delivered only at counted transfers');
    switch (event.kind) {
      case 'clock':
        this.setClock(event.ticks, event.rate);
        break;
      case 'input':
        this.inputDevice(event.port)?.receive(event.bytes);
        break;
      case 'resize':
        this.board.console.resize(event.columns, event.rows);
        break;
      case 'block':
        this.board.disks[event.disk]?.complete(event.id, event.completion);
        break;
      case 'share':
        this.board.shares[event.share]?.complete(event.id, event.reply);
        break;
      case 'epoch':
        this.epochNanoseconds = event.nanoseconds;
        this.board.rtc.tick();
        this.updateTimers();
        break;
      case 'identity':
        this.entropy.reseed(event.seed);
        this.board.generationId.change(event.generationId);
        break;
    }
  }

  /** Whether a disk or a shared folder has not answered the guest yet. */
  get awaitsDisk(): boolean {
    const { disks, shares } = this.board;
    return disks.some((disk) => disk.pendingRequests().length > 0) || shares.some((share) => share.isAwaited);
  }

  /** How many bytes of input the port takes now. */
  inputSpace(port: InputPort): number {
    return this.inputDevice(port)?.receiveSpace ?? 0;
  }

  private inputDevice(port: InputPort) {
    const { uart, console, agent } = this.board;
    return { uart, virtio: console, agent }[port];
  }

  /** Goes on to this execution point exactly. The branch count must not be behind. */
  runTo({ branches, pc }: ExecutionPoint): Outcome {
    if (this.current.branches < branches) {
      const outcome = this.run(branches);
      if (outcome.kind !== 'slice' || this.current.branches > branches) return outcome;
    }
    while (this.current.pc !== pc && this.current.branches === branches) {
      const outcome = this.stepTo(pc);
      if (outcome.kind !== 'slice') return outcome;
    }
    return { kind: 'slice' };
  }

  /** Runs one instruction. An interrupt that is due is taken before it. */
  step(): Outcome {
    return this.stepTo(NEVER);
  }

  private stepTo(pc: bigint): Outcome {
    const { current: hart, engine } = this;
    // A debugger may ask once more where the guest has ended.
    if (this.hasEnded) return this.ended();
    this.enter();
    hart.put(L.STOP_PC, pc);
    hart.put(L.SLICE_END, hart.branches + 1n);
    engine.interpreter.timer_update(hart.address);
    const reason = engine.interpreter.step(hart.address);
    hart.put(L.EXIT_REQUEST, 0n);
    if (reason === Exit.debug) return this.debugOutcome();
    if (reason === Exit.sbi) callSbi(this);
    if (reason === Exit.slice) {
      // As at the end of a slice: whether it was stepped or run must not matter to the clock's alarm.
      this.board.rtc.tick();
      this.updateTimers();
    }
    this.printed.flush();
    // Whether it was stepped or run must not matter to where it ends, either.
    if (this.finish && (reason === Exit.slice || reason === Exit.sbi)) return this.ended();
    if (reason === Exit.waiting) return this.waitOutcome() ?? { kind: 'slice' };
    return { kind: 'slice' };
  }

  /** A reset that the guest asked for, after `run` said so: memory is cleared and the images are loaded again. */
  reset(): void {
    this.board.reset();
    this.ram.clear();
    this.powerOn();
  }

  /** Ends the machine as if the guest had used the test finisher. */
  requestFinish(finish: Finish): void {
    this.finish = finish;
    this.current.requestExit();
  }

  /** For the SBI's console. */
  print(byte: number): void {
    this.printed.print(byte);
  }

  /** Saved state of everything but memory. The machine does not notice. */
  save(): PlainData {
    this.printed.flush();
    return saveMachine(this, { epochNanoseconds: this.epochNanoseconds, finish: this.finish });
  }

  /**
   * The machine as it is now. Takes well under a millisecond, whatever the size of memory: frames are shared, and
   * copied when one side writes. `since`: what `ram.watchWrites` counted since an earlier snapshot, which this one is
   * then a difference to.
   */
  snapshot(since?: WrittenPages): MachineSnapshot {
    return {
      point: this.point,
      instructionsRetired: this.instructionsRetired,
      state: this.save(),
      memory: this.ram.snapshot(since),
    };
  }

  /** Pages of RAM (numbers) that the machine had in use lately, the most urgent first. */
  recentPages({ state, memory }: MachineSnapshot): number[] {
    const { harts } = state as { harts: PlainData[] };
    return recentPages(this.engine.arena, harts, memory);
  }

  /** Back to what the machine was at a snapshot of it. */
  revert({ state, memory }: MachineSnapshot): void {
    this.printed.flush();
    this.ram.revert(memory);
    this.current.put(L.MAP_ROOT, BigInt(this.ram.mapRoot));
    this.resumeFrom(state);
  }

  /** Gives the machine's memory back, for its forks and peers to use. It is not to be used any more. */
  dispose(): void {
    this.ram.release();
    for (const hart of this.harts) {
      this.engine.disconnect(hart.address);
      hart.release(this.engine.arena);
    }
  }

  /** A 64-bit digest of everything the guest could notice. Equal states give equal digests on every host. */
  digest(): bigint {
    return machineDigest(this);
  }
}

/** Of the machine that this was saved of. */
function boardOf(state: PlainData): BoardKind {
  return { version: boardVersionOf(state) ?? CURRENT_BOARD, hasAgent: hasAgentPort(state) };
}

function isWaiting(hart: Hart): boolean {
  return hart.waiting;
}
