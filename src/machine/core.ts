import { GodwitError } from '../common/errors.ts';
import type { GuestClock } from '../device/device.ts';
import type { Finish } from '../device/finisher/test-finisher.ts';
import type { BlockCompletion } from '../device/virtio/block/backend.ts';
import { VMGENID_BYTES } from '../device/vmgenid/registers.ts';
import type { TranslationCache } from '../execute/jit/cache.ts';
import type { RegionCompiler } from '../execute/jit/compiler.ts';
import { Access, Exit } from '../hart/constants.ts';
import { DECODED_PAGE_BYTES } from '../hart/decoded-slots.ts';
import * as L from '../hart/layout.ts';
import { SAVED_REGISTERS } from '../hart/saved-registers.ts';
import { type JoinedMemory, MEMORY_LIMIT_BYTES } from '../memory/arena.ts';
import { GuestRam } from '../memory/guest-ram.ts';
import { MAP_ENTRIES, RAM_BASE } from '../memory/layout.ts';
import { NO_SOURCE_YET, type PageSource } from '../memory/page-source.ts';
import type { FrameSnapshot } from '../memory/snapshot.ts';
import type { WrittenPages } from '../memory/written-pages.ts';
import type { PlainData } from '../state/plain-data.ts';
import { StateReader } from '../state/state-reader.ts';
import { Board, type DiskDescription } from './board.ts';
import { type BoardVersion, boardVersionOf, CURRENT_BOARD } from './board-versions.ts';
import { RTC } from './boot/memory-map.ts';
import { type DebugHit, DebugStops } from './debug-stops.ts';
import { Engine, type EngineOptions, TRANSLATION_DEFAULTS, type TranslationOptions } from './engine.ts';
import { SeededEntropy } from './entropy.ts';
import { Hart } from './hart.ts';
import { restoreHart, restoreTranslations, saveHart } from './hart-state.ts';
import { digestOf } from './plain-digest.ts';
import { recentPages } from './recent-pages.ts';
import { callSbi } from './sbi-calls.ts';

/** Position in execution: between two counted transfers of a hart its pc only rises, so that no two are the same. */
export interface ExecutionPoint {
  /** Number of the hart whose turn it is, and whose branches and pc the others are. */
  readonly hart: number;
  /** Transfers of control that the hart has counted. */
  readonly branches: bigint;
  /** Address of the instruction that is next. */
  readonly pc: bigint;
}

/** A console of the board: the 16550 UART, or a virtio console (virtio 1.2, 5.3). */
export type ConsolePort = 'uart' | 'virtio';

/** Everything that reaches a machine from outside. Delivered only at counted transfers, or while the hart waits. */
export type ExternalEvent =
  /** Guest time is `ticks` now and goes on at `rate` (ticks per branch, fixed-point; hart/library/timer.ts). */
  | { readonly kind: 'clock'; readonly ticks: bigint; readonly rate: bigint }
  | { readonly kind: 'input'; readonly port: ConsolePort; readonly bytes: Uint8Array }
  | { readonly kind: 'resize'; readonly columns: number; readonly rows: number }
  | { readonly kind: 'block'; readonly disk: number; readonly id: number; readonly completion: BlockCompletion }
  /** Guest time 0 was this on the wall: nanoseconds since 1970. */
  | { readonly kind: 'epoch'; readonly nanoseconds: bigint }
  /** From here on this is another machine than whatever else goes on from the same state: 32 and 16 fresh random bytes. */
  | { readonly kind: 'identity'; readonly seed: Uint8Array; readonly generationId: Uint8Array };

export type Outcome =
  /** The branch count that was asked for is reached. */
  | { readonly kind: 'slice' }
  /** The hart waits for an interrupt; `deadline` is the guest time at which one comes by itself. */
  | { readonly kind: 'waiting'; readonly deadline: bigint | undefined }
  /** The guest powered off, failed or asked for a reset. */
  | { readonly kind: 'finished'; readonly finish: Finish }
  /** Before an instruction that one of `stops` is for; or a debugger stopped for another reason, anywhere. */
  | { readonly kind: 'debug'; readonly hit?: DebugHit };

export interface CoreOptions {
  readonly memoryBytes: number;
  /** 32 bytes that everything random in the machine follows from. */
  readonly seed: Uint8Array;
  /** Wall-clock time at guest time 0, in nanoseconds since 1970. */
  readonly epochNanoseconds?: bigint;
  readonly disks?: readonly DiskDescription[];
  readonly terminal?: { readonly columns: number; readonly rows: number };
  /** Called at power-on and after each reset, to put images into memory and the hart at their entry. */
  readonly load: (core: MachineCore) => void;
  /** What the guest prints. The view is valid only during the call. */
  readonly output?: (port: ConsolePort, bytes: Uint8Array) => void;
  /** Share the memory between threads. */
  readonly shared?: boolean;
  readonly floatFastPaths?: boolean;
  readonly translation?: Partial<TranslationOptions>;
  /** Memory reserved for this machine and its forks together; untouched memory costs nothing. Default: enough for the machine. */
  readonly reservedBytes?: number;
  /** Compiles regions, and keeps them. Defaults: engine.ts. */
  readonly compiler?: RegionCompiler;
  readonly cache?: TranslationCache;
  /** Frees what is not needed any more, where the host would take its time. Called when much was given up. */
  readonly collectGarbage?: () => void;
}

/** A machine whose engine, memory and board are there before its state is known. It is begun, or disposed of. */
export interface PreparedMachine {
  /** Pages may be put there ahead (`place`). Nothing else is to be done with it. */
  readonly ram: GuestRam;
  /**
   * Goes on where another machine was saved, as `MachineCore.restore`; pages that are there already are not asked for.
   * Once only. Throws GodwitError('damaged') for a state that is none, or not of a machine with these options: then
   * nothing is left of it.
   */
  begin(state: PlainData, pages: PageSource): MachineCore;
  /** It is not needed. */
  dispose(): void;
}

/** A machine as it was at one execution point. Holds frames until it is released. */
export interface MachineSnapshot {
  readonly point: ExecutionPoint;
  readonly instructionsRetired: bigint;
  readonly state: PlainData;
  readonly memory: FrameSnapshot;
}

/** What a fork needs of a snapshot. */
export type ForkState = Pick<MachineSnapshot, 'state' | 'memory'>;

/** A fork has these by itself; all else is as its parent's. */
export type ForkOptions = Partial<Pick<CoreOptions, 'load' | 'output' | 'disks'>>;

const DECODED_PAGES = 768;
/** Harts, maps and tables beside guest RAM and decoded pages. */
const OVERHEAD_BYTES = 16 * 1024 ** 2;
const DECODED_BYTES = (DECODED_PAGES + 1) * DECODED_PAGE_BYTES;
const UART_BUFFER_BYTES = 4096;
const PAGE_BYTES = 4096;
const NEVER = -1n;

/**
 * One machine, without a clock, a thread or a file of its own: it runs when told, up to a branch count, and what comes from
 * outside is delivered to it. The same events at the same execution points give the same state, always.
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
  private uartBuffer: Uint8Array | undefined;
  private uartCount = 0;
  private finish: Finish | undefined;
  private epochNanoseconds: bigint;

  /** Without a board and a state: `live` gives it both. `memory`: what it begins with. */
  private constructor(engine: Engine, options: CoreOptions, memory?: FrameSnapshot | PageSource) {
    this.engine = engine;
    this.options = options;
    this.epochNanoseconds = options.epochNanoseconds ?? 0n;
    this.harts = [new Hart(engine.arena, 0)];
    this.current = this.harts[0];
    this.stops = new DebugStops(this.current);
    const { address } = this.current;
    const events = {
      codeWritten: (frame: number) => engine.decoded.forget(frame),
      frameReplaced: (page: number, before: number, now: number) =>
        engine.frameReplaced(address, physicalPage(page), before, now),
      frameRevoked: (frame: number) => engine.decoded.revoked(frame),
      frameFreed: (frame: number) => engine.decoded.forget(frame),
      // A hart whose TLBs are not filled has no host address to lose.
      writesProtected: () => this.current.waitingTranslations ?? engine.interpreter.write_protect(address),
      pagesProtected: (pages: readonly number[]) => engine.pagesProtected(address, pages.map(physicalPage)),
      pagesDropped: (pages: readonly number[]) => engine.pagesDropped(address, pages.map(physicalPage)),
    };
    this.ram = new GuestRam(engine.arena, options.memoryBytes, events, memory);
    this.entropy = new SeededEntropy(options.seed);
    this.clock = {
      ticks: () => this.ticks,
      epochNanoseconds: () => this.epochNanoseconds + this.ticks * 100n,
    };
  }

  /** Begins on a board of this version, or leaves nothing behind. */
  private live(version: BoardVersion, begin: () => void): this {
    this.board = this.makeBoard(version);
    this.connect();
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
    return core.live(CURRENT_BOARD, () => core.beginLife());
  }

  /**
   * Makes all of a machine that does not depend on its state, which takes some milliseconds, so that beginning takes
   * less than one.
   */
  static async prepare(options: CoreOptions): Promise<PreparedMachine> {
    const core = new MachineCore(await makeEngine(options), options, NO_SOURCE_YET);
    let isUsed = false;
    const use = (): void => {
      if (isUsed) throw new GodwitError('state', 'The machine has begun, or was disposed of.');
      isUsed = true;
    };
    return {
      ram: core.ram,
      begin: (state, pages) => {
        use();
        core.ram.beginFrom(pages);
        return core.live(boardVersionOf(state) ?? CURRENT_BOARD, () => core.resumeFrom(state));
      },
      dispose: () => {
        use();
        core.dispose();
      },
    };
  }

  /**
   * A machine that goes on where another was saved, bit for bit. Its pages come from `pages` when they are touched. Requests to
   * disks that were under way are in `board.disks[n].pendingRequests()`, to be submitted again.
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
    return core.live(boardVersionOf(state) ?? CURRENT_BOARD, () => core.resumeFrom(state));
  }

  private makeBoard(version: BoardVersion): Board {
    const { options } = this;
    return new Board({
      version,
      harts: this.harts,
      memory: this.ram,
      clock: this.clock,
      entropy: this.entropy,
      disks: options.disks ?? [],
      terminal: options.terminal ?? { columns: 80, rows: 24 },
      timersChanged: () => this.updateTimers(),
      finish: (finish) => this.finishWith(finish),
      transmitUart: (byte) => this.printByte(byte),
      transmitConsole: (bytes) => options.output?.('virtio', bytes),
    });
  }

  private connect(): void {
    const { current: hart, engine, board } = this;
    const { bus } = board;
    const field = (offset: number, value: number): void => {
      engine.arena.words[(hart.address + offset) >>> 2] = value;
    };
    field(L.MAP_ROOT, this.ram.mapRoot);
    field(L.RAM_PAGES, this.ram.pageCount);
    field(L.FRAME_TABLE, engine.arena.frameTable);
    field(L.FRAME_VERSIONS, engine.arena.versions);
    field(L.CROSSING_PAGE, engine.crossingPage);
    field(L.DECODE_TABLE, engine.decodeTable);
    const rtcEnd = RTC.base + RTC.sizeBytes;
    engine.connect(hart.address, {
      frameFault: (page, access) => this.ram.frameFault(page, access === Access.store),
      mmioLoad: (address, width) => (bus.read(address, width) ? bus.low : -1),
      mmioStore: (address, width, value) => {
        const done = bus.write(address, width, value);
        if (address >= RTC.base && address < rtcEnd) this.updateTimers();
        return done;
      },
      stops: this.stops,
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
    this.current.reset(0n);
    this.options.load(this);
    this.refresh();
  }

  private resumeFrom(state: PlainData): void {
    const reader = StateReader.part('the machine', state, MACHINE_VERSION, MACHINE_FIELDS);
    const board = reader.text('boardVersion');
    reader.require(board === this.board.version.name, `it is of the board ${board}`);
    const harts = reader.list('harts', this.harts.length, this.harts.length);
    this.board.restore(reader.raw('board'));
    // After the devices, which put their interrupt lines into the harts and make them look at them.
    for (const hart of this.harts) restoreHart(this.engine.arena, hart, harts[hart.index]!);
    this.entropy.restore(reader.raw('entropy'));
    this.epochNanoseconds = reader.u64('epochNanoseconds');
    this.finish = readFinish(reader.raw('finish'));
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

  private updateTimers(): void {
    this.current.put(L.DEVICE_DEADLINE, this.board.rtc.nextAlarmTicks() ?? NEVER);
    this.engine.interpreter.timer_update(this.current.address);
  }

  private finishWith(finish: Finish): void {
    this.finish = finish;
    this.current.requestExit();
  }

  private printByte(byte: number): void {
    this.uartBuffer ??= new Uint8Array(UART_BUFFER_BYTES);
    this.uartBuffer[this.uartCount++] = byte;
    if (this.uartCount === UART_BUFFER_BYTES) this.flushOutput();
  }

  private flushOutput(): void {
    if (this.uartCount === 0 || !this.uartBuffer) return;
    this.options.output?.('uart', this.uartBuffer.subarray(0, this.uartCount));
    this.uartCount = 0;
  }

  /**
   * Runs up to the first counted transfer at which the branch count is at least `branches`, or until there is nothing to run.
   * A slice that ends early is reported as what ended it.
   */
  run(branches: bigint): Outcome {
    const { current: hart, engine } = this;
    if (this.finish) return { kind: 'finished', finish: this.finish };
    this.enter();
    engine.translate();
    hart.put(L.SLICE_END, branches);
    engine.interpreter.timer_update(hart.address);
    for (;;) {
      const reason = engine.interpreter.run(hart.address);
      if (reason === Exit.sbi) {
        callSbi(this);
        if (!this.finish) continue;
        this.flushOutput();
        return { kind: 'finished', finish: this.finish };
      }
      if (reason === Exit.debug) return this.debugOutcome();
      const outcome = reason === Exit.waiting ? this.waitOutcome() : this.sliceOutcome(branches);
      if (!outcome) continue;
      this.flushOutput();
      return outcome;
    }
  }

  private sliceOutcome(branches: bigint): Outcome | undefined {
    this.current.put(L.EXIT_REQUEST, 0n);
    if (this.finish) return { kind: 'finished', finish: this.finish };
    this.board.rtc.tick();
    this.updateTimers();
    return this.current.branches >= branches ? { kind: 'slice' } : undefined;
  }

  private debugOutcome(): Outcome {
    this.flushOutput();
    return { kind: 'debug', hit: this.stops.hit! };
  }

  private waitOutcome(): Outcome | undefined {
    this.board.rtc.tick();
    this.updateTimers();
    if (this.current.interruptsPending) return undefined;
    if (this.finish) return { kind: 'finished', finish: this.finish };
    return { kind: 'waiting', deadline: this.nextDeadline() };
  }

  /** Guest time of the next interrupt that comes by itself. */
  nextDeadline(): bigint | undefined {
    const { current: hart } = this;
    const deadlines = [hart.unsigned(L.STIMECMP), hart.unsigned(L.MTIMECMP), hart.unsigned(L.DEVICE_DEADLINE)];
    const now = this.ticks;
    const ahead = deadlines.filter((ticks) => ticks > now && ticks < 1n << 63n);
    return ahead.sort((a, b) => Number(a - b))[0];
  }

  /** While the hart waits: guest time jumps to the deadline. No event, since it follows from the state. */
  skipTo(deadline: bigint): void {
    if (!this.waiting) throw new GodwitError('state', 'guest time is skipped only while the hart waits');
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
    if (!this.acceptsEvents) throw new GodwitError('state', 'events are delivered only at counted transfers');
    switch (event.kind) {
      case 'clock':
        this.setClock(event.ticks, event.rate);
        break;
      case 'input':
        if (event.port === 'uart') this.board.uart.receive(event.bytes);
        else this.board.console.receive(event.bytes);
        break;
      case 'resize':
        this.board.console.resize(event.columns, event.rows);
        break;
      case 'block':
        this.board.disks[event.disk]?.complete(event.id, event.completion);
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

  /** Whether a disk has not answered the guest yet. */
  get awaitsDisk(): boolean {
    return this.board.disks.some((disk) => disk.pendingRequests().length > 0);
  }

  /** How many bytes of input the port takes now. */
  inputSpace(port: ConsolePort): number {
    return port === 'uart' ? this.board.uart.receiveSpace : this.board.console.receiveSpace;
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
    this.flushOutput();
    if (this.finish) return { kind: 'finished', finish: this.finish };
    if (reason === Exit.waiting) return this.waitOutcome() ?? { kind: 'slice' };
    return { kind: 'slice' };
  }

  /** A reset that the guest asked for, after `run` said so: memory is cleared and the images are loaded again. */
  reset(): void {
    this.board.reset();
    this.ram.clear();
    this.powerOn();
  }

  /** Ends the machine as if the guest had used the test finisher. For the SBI. */
  requestFinish(finish: Finish): void {
    this.finishWith(finish);
  }

  /** For the SBI's console. */
  print(byte: number): void {
    this.printByte(byte);
  }

  /** Saved state of everything but memory. The machine does not notice. */
  save(): PlainData {
    this.flushOutput();
    return {
      version: MACHINE_VERSION,
      boardVersion: this.board.version.name,
      harts: this.harts.map((hart) => saveHart(this.engine.arena, hart)),
      board: this.board.save(),
      entropy: this.entropy.save(),
      epochNanoseconds: this.epochNanoseconds,
      finish: this.finish ? { kind: this.finish.kind, code: this.finish.code } : null,
    };
  }

  /**
   * The machine as it is now. Takes well under a millisecond, whatever the size of memory: frames are shared, and copied when one
   * side writes. `since`: what `ram.watchWrites` counted since an earlier snapshot, which this one is then a difference to.
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
    this.flushOutput();
    this.ram.revert(memory);
    this.current.put(L.MAP_ROOT, BigInt(this.ram.mapRoot));
    this.resumeFrom(state);
  }

  /** Gives the machine's memory back, for its forks and siblings to use. It is not to be used any more. */
  dispose(): void {
    this.ram.release();
    for (const hart of this.harts) {
      this.engine.disconnect(hart.address);
      hart.release(this.engine.arena);
    }
  }

  /** A 64-bit digest of everything the guest could notice. Equal states give equal digests on every host. */
  digest(): bigint {
    const { interpreter } = this.engine;
    let sum = digestOf(this.board.save()) + digestOf(this.entropy.save());
    for (const { index, address } of this.harts) {
      // By name: the places may change. One that is zero counts like one that there is not.
      for (const { offset, seed } of DIGESTED) sum += interpreter.hash(address + offset, 8, seed + BigInt(index));
    }
    this.ram.loadAll();
    for (const { page, address: leaf } of this.ram.leaves()) {
      sum += interpreter.hash_leaf(leaf, page, Math.min(MAP_ENTRIES, this.ram.pageCount - page));
    }
    return BigInt.asUintN(64, sum);
  }
}

const DIGESTED = SAVED_REGISTERS.map(({ name, offset }) => ({ offset, seed: BigInt.asIntN(64, digestOf(name)) }));

const MACHINE_VERSION = 1;
const MACHINE_FIELDS = ['boardVersion', 'harts', 'board', 'entropy', 'epochNanoseconds', 'finish'];

function isWaiting(hart: Hart): boolean {
  return hart.waiting;
}

/** By the page of RAM. */
function physicalPage(page: number): number {
  return page + RAM_BASE / PAGE_BYTES;
}

function readFinish(data: PlainData): Finish | undefined {
  if (data === null) return undefined;
  const reader = new StateReader('the machine, how it ended', data, ['kind', 'code']);
  return { kind: reader.word('kind', ['pass', 'fail', 'reset']), code: reader.integer('code', 0xffff_ffff) };
}

function makeEngine(options: CoreOptions): Promise<Engine> {
  checkMemory(options.memoryBytes);
  const needed = options.memoryBytes + OVERHEAD_BYTES + DECODED_BYTES;
  const bytes = Math.min(MEMORY_LIMIT_BYTES, Math.max(needed, options.reservedBytes ?? 0));
  return createEngine({ bytes, shared: options.shared ?? false }, options);
}

/** An engine for forks of a machine in another thread. */
export function joinEngine(
  memory: JoinedMemory,
  options: Pick<CoreOptions, 'floatFastPaths' | 'translation' | 'compiler' | 'cache' | 'collectGarbage'>,
): Promise<Engine> {
  return createEngine(memory, options);
}

function createEngine(memory: EngineOptions['memory'], options: Parameters<typeof joinEngine>[1]): Promise<Engine> {
  return Engine.create({
    memory,
    floatFastPaths: options.floatFastPaths ?? true,
    decodedPageLimit: DECODED_PAGES,
    translation: { ...TRANSLATION_DEFAULTS, ...options.translation },
    ...(options.compiler && { compiler: options.compiler }),
    ...(options.cache && { cache: options.cache }),
    ...(options.collectGarbage && { collectGarbage: options.collectGarbage }),
  });
}

function checkMemory(bytes: number): void {
  const mebibyte = 1024 ** 2;
  if (!Number.isSafeInteger(bytes) || bytes < mebibyte || bytes % mebibyte !== 0) {
    throw new GodwitError('usage', `a machine's memory is a whole number of MiB, not ${bytes} bytes`);
  }
  if (bytes > 3 * 1024 ** 3) {
    throw new GodwitError('limit', `${bytes / mebibyte} MiB of memory are more than the 3072 MiB a machine can have`, {
      hint: 'WebAssembly addresses 4 GiB, which guest memory and translated code share',
    });
  }
}
