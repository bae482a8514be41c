import { GodwitError } from '../common/errors.ts';
import type { GuestClock, PlainData } from '../device/device.ts';
import type { Finish } from '../device/finisher/test-finisher.ts';
import type { BlockCompletion } from '../device/virtio/block/backend.ts';
import { DECODED_PAGE_BYTES } from '../execute/interpreter/slots.ts';
import { Exit } from '../hart/constants.ts';
import * as L from '../hart/layout.ts';
import { GuestRam } from '../memory/guest-ram.ts';
import { MAP_ENTRIES } from '../memory/layout.ts';
import { Board, type DiskDescription } from './board.ts';
import { RTC } from './boot/memory-map.ts';
import { Engine, TRANSLATION_DEFAULTS, type TranslationOptions } from './engine.ts';
import { SeededEntropy } from './entropy.ts';
import { Hart } from './hart.ts';
import { digestOf } from './plain-digest.ts';
import { callSbi } from './sbi-calls.ts';

/** Position in execution: between two counted transfers pc only rises, so the pair is unique. */
export interface ExecutionPoint {
  readonly branches: bigint;
  readonly pc: bigint;
}

export type ConsolePort = 'uart' | 'virtio';

/** Everything that reaches a machine from outside. Delivered only at counted transfers, or while the hart waits. */
export type Arrival =
  /** Guest time is `ticks` now and goes on at `rate` (ticks per branch, fixed-point; hart/library/timer.ts). */
  | { readonly kind: 'clock'; readonly ticks: bigint; readonly rate: bigint }
  | { readonly kind: 'input'; readonly port: ConsolePort; readonly bytes: Uint8Array }
  | { readonly kind: 'resize'; readonly columns: number; readonly rows: number }
  | { readonly kind: 'block'; readonly disk: number; readonly id: number; readonly completion: BlockCompletion };

export type Outcome =
  /** The branch count that was asked for is reached. */
  | { readonly kind: 'slice' }
  /** The hart waits for an interrupt; `deadline` is the guest time at which one comes by itself. */
  | { readonly kind: 'waiting'; readonly deadline: bigint | undefined }
  /** The guest powered off, failed or asked for a reset. */
  | { readonly kind: 'finished'; readonly finish: Finish };

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
}

const DECODED_PAGES = 2048;
/** Harts, maps and tables beside guest RAM and decoded pages. */
const OVERHEAD_BYTES = 16 * 1024 ** 2;
const DECODED_BYTES = (DECODED_PAGES + 1) * DECODED_PAGE_BYTES;
const UART_BUFFER_BYTES = 4096;
const PAGE_BYTES = 4096;
const NEVER = -1n;

/**
 * One machine, without a clock, a thread or a file of its own: it runs when told, up to a branch count, and what comes from
 * outside is delivered to it. The same arrivals at the same execution points give the same state, always.
 */
export class MachineCore {
  readonly engine: Engine;
  readonly ram: GuestRam;
  readonly hart: Hart;
  readonly board: Board;
  readonly entropy: SeededEntropy;
  readonly clock: GuestClock;
  private readonly options: CoreOptions;
  private readonly uartBuffer = new Uint8Array(UART_BUFFER_BYTES);
  private uartCount = 0;
  private finish: Finish | undefined;
  private epochNanoseconds: bigint;

  private constructor(engine: Engine, options: CoreOptions) {
    this.engine = engine;
    this.options = options;
    this.epochNanoseconds = options.epochNanoseconds ?? 0n;
    this.ram = new GuestRam(engine.arena, options.memoryBytes, (frame) => engine.decoded.forget(frame));
    this.hart = new Hart(engine.arena);
    this.entropy = new SeededEntropy(options.seed);
    this.clock = {
      ticks: () => this.ticks,
      epochNanoseconds: () => this.epochNanoseconds + this.ticks * 100n,
    };
    this.board = this.makeBoard();
    this.connect();
    this.powerOn();
  }

  static async create(options: CoreOptions): Promise<MachineCore> {
    checkMemory(options.memoryBytes);
    const bytes = options.memoryBytes + OVERHEAD_BYTES + DECODED_BYTES;
    const engine = await Engine.create({
      bytes,
      shared: options.shared ?? false,
      floatFastPaths: options.floatFastPaths ?? true,
      decodedPageLimit: DECODED_PAGES,
      translation: { ...TRANSLATION_DEFAULTS, ...options.translation },
    });
    return new MachineCore(engine, options);
  }

  private makeBoard(): Board {
    const { options } = this;
    return new Board({
      hart: this.hart,
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
    const { hart, engine, board } = this;
    const { bus } = board;
    const field = (offset: number, value: number): void => {
      engine.arena.words[(hart.address + offset) >>> 2] = value;
    };
    field(L.MAP_ROOT, this.ram.mapRoot);
    field(L.RAM_PAGES, this.ram.pageCount);
    field(L.FRAME_TABLE, engine.arena.frameTable);
    field(L.CROSSING_PAGE, engine.decoded.allocateLoose());
    const rtcEnd = RTC.base + RTC.sizeBytes;
    engine.connect(hart.address, {
      frameFault: (page) => this.ram.frameFault(page),
      mmioLoad: (address, width) => (bus.read(address, width) ? bus.low : -1),
      mmioStore: (address, width, value) => {
        const done = bus.write(address, width, value);
        if (address >= RTC.base && address < rtcEnd) this.updateTimers();
        return done;
      },
    });
  }

  private powerOn(): void {
    this.finish = undefined;
    this.hart.reset(0n);
    this.options.load(this);
    this.refresh();
  }

  /** Sets what follows from the saved state: after power-on, restore, and changes from outside. */
  private refresh(): void {
    const { interpreter } = this.engine;
    const { address } = this.hart;
    this.engine.arena.bytes.fill(0, address + L.SPACES, address + L.SPACES + 8 * L.SPACE_COUNT);
    this.hart.put(L.NEXT_SPACE, 0n);
    this.hart.put(L.LAST_SATP, 0n);
    interpreter.tlb_flush_all(address);
    interpreter.pmp_updated(address);
    interpreter.update_contexts(address);
    this.updateTimers();
  }

  /** Guest time: 10 MHz ticks. */
  get ticks(): bigint {
    return BigInt.asUintN(64, this.engine.interpreter.time(this.hart.address));
  }

  get point(): ExecutionPoint {
    return { branches: this.hart.branches, pc: this.hart.pc };
  }

  /** Ticks per branch, fixed-point. */
  get clockRate(): bigint {
    return this.hart.get(L.TIME_RATE);
  }

  private updateTimers(): void {
    this.hart.put(L.DEVICE_DEADLINE, this.board.rtc.nextAlarmTicks() ?? NEVER);
    this.engine.interpreter.timer_update(this.hart.address);
  }

  private finishWith(finish: Finish): void {
    this.finish = finish;
    this.hart.requestExit();
  }

  private printByte(byte: number): void {
    this.uartBuffer[this.uartCount++] = byte;
    if (this.uartCount === UART_BUFFER_BYTES) this.flushOutput();
  }

  private flushOutput(): void {
    if (this.uartCount === 0) return;
    this.options.output?.('uart', this.uartBuffer.subarray(0, this.uartCount));
    this.uartCount = 0;
  }

  /**
   * Runs up to the first counted transfer at which the branch count is at least `branches`, or until there is nothing to run.
   * A slice that ends early is reported as what ended it.
   */
  run(branches: bigint): Outcome {
    const { hart, engine } = this;
    if (this.finish) return { kind: 'finished', finish: this.finish };
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
      const outcome = reason === Exit.waiting ? this.waitOutcome() : this.sliceOutcome(branches);
      if (!outcome) continue;
      this.flushOutput();
      return outcome;
    }
  }

  private sliceOutcome(branches: bigint): Outcome | undefined {
    this.hart.put(L.EXIT_REQUEST, 0n);
    if (this.finish) return { kind: 'finished', finish: this.finish };
    this.board.rtc.tick();
    this.updateTimers();
    return this.hart.branches >= branches ? { kind: 'slice' } : undefined;
  }

  private waitOutcome(): Outcome | undefined {
    this.board.rtc.tick();
    this.updateTimers();
    if (this.hart.interruptsPending) return undefined;
    if (this.finish) return { kind: 'finished', finish: this.finish };
    return { kind: 'waiting', deadline: this.nextDeadline() };
  }

  /** Guest time of the next interrupt that comes by itself. */
  private nextDeadline(): bigint | undefined {
    const { hart } = this;
    const deadlines = [hart.unsigned(L.STIMECMP), hart.unsigned(L.MTIMECMP), hart.unsigned(L.DEVICE_DEADLINE)];
    const now = this.ticks;
    const ahead = deadlines.filter((ticks) => ticks > now && ticks < 1n << 63n);
    return ahead.sort((a, b) => Number(a - b))[0];
  }

  /** While the hart waits: guest time jumps to the deadline. No arrival, since it follows from the state. */
  skipTo(deadline: bigint): void {
    if (!this.hart.waiting) throw new GodwitError('state', 'guest time is skipped only while the hart waits');
    this.setClock(deadline, this.clockRate);
  }

  private setClock(ticks: bigint, rate: bigint): void {
    this.hart.put(L.TIME_BASE_TICKS, ticks);
    this.hart.put(L.TIME_BASE_BRANCHES, this.hart.branches);
    this.hart.put(L.TIME_RATE, rate);
    this.board.rtc.tick();
    this.updateTimers();
    this.hart.interruptsChanged();
  }

  /** True when arrivals may be delivered here: at a counted transfer, or waiting. */
  get acceptsArrivals(): boolean {
    return this.hart.waiting || this.hart.get(L.EVENT_PENDING) !== 0n || this.hart.branches === 0n;
  }

  /** Something from outside reaches the machine at this execution point. */
  deliver(arrival: Arrival): void {
    if (!this.acceptsArrivals) throw new GodwitError('state', 'arrivals are delivered only at counted transfers');
    switch (arrival.kind) {
      case 'clock':
        this.setClock(arrival.ticks, arrival.rate);
        break;
      case 'input':
        if (arrival.port === 'uart') this.board.uart.receive(arrival.bytes);
        else this.board.console.receive(arrival.bytes);
        break;
      case 'resize':
        this.board.console.resize(arrival.columns, arrival.rows);
        break;
      case 'block':
        this.board.disks[arrival.disk]?.complete(arrival.id, arrival.completion);
        break;
    }
  }

  /** How many bytes of input the port takes now. */
  inputSpace(port: ConsolePort): number {
    return port === 'uart' ? this.board.uart.receiveSpace : this.board.console.receiveSpace;
  }

  /** Goes on to this execution point exactly. The branch count must not be behind. */
  runTo({ branches, pc }: ExecutionPoint): Outcome {
    if (this.hart.branches < branches) {
      const outcome = this.run(branches);
      if (outcome.kind !== 'slice' || this.hart.branches > branches) return outcome;
    }
    while (this.hart.pc !== pc && this.hart.branches === branches) {
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
    const { hart, engine } = this;
    hart.put(L.STOP_PC, pc);
    hart.put(L.SLICE_END, hart.branches + 1n);
    engine.interpreter.timer_update(hart.address);
    const reason = engine.interpreter.step(hart.address);
    hart.put(L.EXIT_REQUEST, 0n);
    if (reason === Exit.sbi) callSbi(this);
    this.flushOutput();
    if (this.finish) return { kind: 'finished', finish: this.finish };
    if (reason === Exit.waiting) return this.waitOutcome() ?? { kind: 'slice' };
    return { kind: 'slice' };
  }

  /** A reset that the guest asked for, after `run` said so: memory is cleared and the images are loaded again. */
  reset(): void {
    this.board.reset();
    for (const page of this.ram.touchedPages()) {
      const frame = this.ram.frameOf(page);
      this.engine.arena.bytes.fill(0, frame, frame + PAGE_BYTES);
      this.engine.decoded.forget(frame);
    }
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

  /** Saved state of everything but memory. Takes the TLBs' contents away, which a later restore would not have. */
  save(): PlainData {
    this.flushOutput();
    this.refresh();
    const { address } = this.hart;
    return {
      hart: this.engine.arena.bytes.slice(address, address + L.SAVED_END),
      board: this.board.save(),
      entropy: this.entropy.save(),
      epochNanoseconds: this.epochNanoseconds,
      finish: this.finish ? { kind: this.finish.kind, code: this.finish.code } : null,
    };
  }

  /** A 64-bit digest of everything the guest could notice. Equal states give equal digests on every host. */
  digest(): bigint {
    const { interpreter, arena } = this.engine;
    const { address } = this.hart;
    let sum = digestOf(this.board.save()) + digestOf(this.entropy.save());
    sum += interpreter.hash(address, L.SAVED_END, 1n);
    for (let page = 0; page < this.ram.pageCount; page += MAP_ENTRIES) {
      const leaf = arena.words[(this.ram.mapRoot >>> 2) + (page >>> 10)]!;
      const count = Math.min(MAP_ENTRIES, this.ram.pageCount - page);
      if (leaf !== 0) sum += interpreter.hash_leaf(leaf, page, count);
    }
    return BigInt.asUintN(64, sum);
  }
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
