import { GodwitError } from '../../common/errors.ts';
import { violation } from '../../common/invariant.ts';
import type { PlainData } from '../../state/plain-data.ts';
import { StateReader } from '../../state/state-reader.ts';
import type { AccessWidth, HartInterrupts, InterruptLine, MmioDevice } from '../device.ts';
import {
  PLIC_CONTEXT,
  PLIC_CONTEXT_CLAIM,
  PLIC_CONTEXT_STRIDE,
  PLIC_CONTEXT_THRESHOLD,
  PLIC_ENABLE,
  PLIC_ENABLE_STRIDE,
  PLIC_MAX_CONTEXTS,
  PLIC_PENDING,
  PLIC_PRIORITY_MASK,
  PLIC_SIZE_BYTES,
  PLIC_SOURCE_COUNT,
  PLIC_WORD_COUNT,
} from './registers.ts';

/** Of the saved state. */
const VERSION = 1;

/**
 * Platform-level interrupt controller with level-triggered gateways. Registers take aligned 32-bit accesses; others
 * read as 0 and are ignored.
 */
export class Plic implements MmioDevice {
  readonly name = 'plic';
  readonly sizeBytes = PLIC_SIZE_BYTES;

  private readonly harts: HartInterrupts;
  private readonly contextCount: number;

  /** Levels of the sources' lines; not a register. */
  private readonly level = new Uint32Array(PLIC_WORD_COUNT);
  /** IP bits: a gateway has forwarded a request that nobody has claimed. */
  private readonly pending = new Uint32Array(PLIC_WORD_COUNT);
  /** Claimed and not completed: the gateway holds further requests back. */
  private readonly inService = new Uint32Array(PLIC_WORD_COUNT);
  private readonly priority = new Uint8Array(PLIC_SOURCE_COUNT + 1);
  /** PLIC_WORD_COUNT words per context. */
  private readonly enable: Uint32Array;
  private readonly threshold: Uint8Array;
  /** The last outputs, so that only changes are passed on. */
  private readonly output: Uint8Array;

  constructor(parts: { harts: HartInterrupts }) {
    this.harts = parts.harts;
    this.contextCount = 2 * parts.harts.hartCount;
    if (this.contextCount < 2 || this.contextCount > PLIC_MAX_CONTEXTS) {
      throw new GodwitError('limit', `A PLIC serves 1 to ${PLIC_MAX_CONTEXTS / 2} harts.`);
    }
    this.enable = new Uint32Array(this.contextCount * PLIC_WORD_COUNT);
    this.threshold = new Uint8Array(this.contextCount);
    this.output = new Uint8Array(this.contextCount);
  }

  /** The line of a source, 1 to 96. */
  line(source: number): InterruptLine {
    if (!Number.isInteger(source) || source < 1 || source > PLIC_SOURCE_COUNT) {
      throw violation(`a line is one of the PLIC's sources 1 to ${PLIC_SOURCE_COUNT}, and not ${source}`);
    }
    return { set: (level) => this.setLevel(source, level) };
  }

  read(offset: number, width: AccessWidth): number {
    if (width !== 4 || (offset & 3) !== 0) return 0;
    if (offset >= PLIC_CONTEXT) return this.readContext(offset - PLIC_CONTEXT);
    if (offset >= PLIC_ENABLE) {
      const index = this.enableIndex(offset - PLIC_ENABLE);
      return index < 0 ? 0 : this.enable[index]!;
    }
    if (offset >= PLIC_PENDING) return this.pending[(offset - PLIC_PENDING) >> 2] ?? 0;
    return this.priority[offset >> 2] ?? 0;
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (width !== 4 || (offset & 3) !== 0) return;
    if (offset >= PLIC_CONTEXT) {
      this.writeContext(offset - PLIC_CONTEXT, value);
    } else if (offset >= PLIC_ENABLE) {
      this.writeEnable(this.enableIndex(offset - PLIC_ENABLE), value);
    } else if (offset < PLIC_PENDING) {
      this.writePriority(offset >> 2, value);
    }
  }

  /** All lines count as low, as the reset of the devices makes them, before or after this one's. */
  reset(): void {
    for (const words of [this.level, this.pending, this.inService, this.enable]) words.fill(0);
    this.priority.fill(0);
    this.threshold.fill(0);
    this.update();
  }

  save(): PlainData {
    return {
      version: VERSION,
      level: listOf(this.level),
      pending: listOf(this.pending),
      inService: listOf(this.inService),
      priority: listOf(this.priority),
      enable: listOf(this.enable),
      threshold: listOf(this.threshold),
    };
  }

  restore(state: PlainData): void {
    const fields = ['level', 'pending', 'inService', 'priority', 'enable', 'threshold'];
    const reader = StateReader.part(this.name, state, VERSION, fields);
    const words = (name: string): number[] => {
      const values = reader.integers(name, PLIC_WORD_COUNT, 0xffff_ffff);
      reader.require(
        values.every((value, word) => (value & ~existingSources(word)) === 0),
        `the field "${name}" has sources that do not exist`,
      );
      return values;
    };
    const level = words('level');
    const pending = words('pending');
    const inService = words('inService');
    const priority = reader.integers('priority', PLIC_SOURCE_COUNT + 1, PLIC_PRIORITY_MASK);
    const enable = reader.integers('enable', this.enable.length, 0xffff_ffff);
    const threshold = reader.integers('threshold', this.contextCount, PLIC_PRIORITY_MASK);
    reader.require(
      enable.every((value, index) => (value & ~existingSources(index % PLIC_WORD_COUNT)) === 0),
      'sources that do not exist are enabled',
    );
    reader.require(priority[0] === 0, 'source 0 has a priority');
    this.level.set(level);
    this.pending.set(pending);
    this.inService.set(inService);
    this.priority.set(priority);
    this.enable.set(enable);
    this.threshold.set(threshold);
    this.driveAll();
  }

  /**
   * Gateway (PLIC spec 1.1, 1.3): a high level becomes one request; the next is forwarded only after completion. A
   * request that has been forwarded stays pending when the level falls.
   */
  private setLevel(source: number, level: boolean): void {
    const word = source >> 5;
    const bit = 1 << (source & 31);
    const before = this.level[word]!;
    if (((before & bit) !== 0) === level) return;
    if (!level) {
      this.level[word] = before & ~bit;
      return;
    }
    this.level[word] = before | bit;
    if ((this.inService[word]! & bit) !== 0) return;
    this.pending[word] = this.pending[word]! | bit;
    this.update();
  }

  private readContext(relative: number): number {
    const context = Math.floor(relative / PLIC_CONTEXT_STRIDE);
    if (context >= this.contextCount) return 0;
    switch (relative % PLIC_CONTEXT_STRIDE) {
      case PLIC_CONTEXT_THRESHOLD:
        return this.threshold[context]!;
      case PLIC_CONTEXT_CLAIM:
        return this.claim(context);
      default:
        return 0;
    }
  }

  private writeContext(relative: number, value: number): void {
    const context = Math.floor(relative / PLIC_CONTEXT_STRIDE);
    if (context >= this.contextCount) return;
    switch (relative % PLIC_CONTEXT_STRIDE) {
      case PLIC_CONTEXT_THRESHOLD:
        this.threshold[context] = value & PLIC_PRIORITY_MASK;
        this.update();
        break;
      case PLIC_CONTEXT_CLAIM:
        this.complete(context, value);
        break;
    }
  }

  private writePriority(source: number, value: number): void {
    if (source === 0 || source > PLIC_SOURCE_COUNT) return;
    this.priority[source] = value & PLIC_PRIORITY_MASK;
    this.update();
  }

  private writeEnable(index: number, value: number): void {
    if (index < 0) return;
    this.enable[index] = value & existingSources(index % PLIC_WORD_COUNT);
    this.update();
  }

  /** Index into the enable words, or -1 where there is no register. */
  private enableIndex(relative: number): number {
    const context = Math.floor(relative / PLIC_ENABLE_STRIDE);
    const word = (relative % PLIC_ENABLE_STRIDE) >> 2;
    if (context >= this.contextCount || word >= PLIC_WORD_COUNT) return -1;
    return context * PLIC_WORD_COUNT + word;
  }

  /** Interrupt claim (spec chapter 8). The threshold does not affect it. */
  private claim(context: number): number {
    const source = this.best(context, 0);
    if (source === 0) return 0;
    const word = source >> 5;
    const bit = 1 << (source & 31);
    this.pending[word] = this.pending[word]! & ~bit;
    this.inService[word] = this.inService[word]! | bit;
    this.update();
    return source;
  }

  /** Interrupt completion (spec chapter 9): ignored unless the source is enabled for the context. */
  private complete(context: number, source: number): void {
    if (source === 0 || source > PLIC_SOURCE_COUNT) return;
    const word = source >> 5;
    const bit = 1 << (source & 31);
    if ((this.enable[context * PLIC_WORD_COUNT + word]! & bit) === 0) return;
    if ((this.inService[word]! & bit) === 0) return;
    this.inService[word] = this.inService[word]! & ~bit;
    if ((this.level[word]! & bit) === 0) return;
    this.pending[word] = this.pending[word]! | bit;
    this.update();
  }

  /**
   * The pending enabled source of the highest priority above `floor`, the lowest number among equals; 0 when there is
   * none.
   */
  private best(context: number, floor: number): number {
    let best = 0;
    let bestPriority = floor;
    for (let word = 0; word < PLIC_WORD_COUNT; word++) {
      let candidates = this.pending[word]! & this.enable[context * PLIC_WORD_COUNT + word]!;
      while (candidates !== 0) {
        const lowest = candidates & -candidates;
        const source = (word << 5) + (31 - Math.clz32(lowest));
        const priority = this.priority[source]!;
        if (priority > bestPriority) {
          best = source;
          bestPriority = priority;
        }
        candidates ^= lowest;
      }
    }
    return best;
  }

  private update(): void {
    for (let context = 0; context < this.contextCount; context++) {
      const level = this.best(context, this.threshold[context]!) !== 0 ? 1 : 0;
      if (level !== this.output[context]) this.drive(context, level);
    }
  }

  private driveAll(): void {
    for (let context = 0; context < this.contextCount; context++) {
      this.drive(context, this.best(context, this.threshold[context]!) !== 0 ? 1 : 0);
    }
  }

  private drive(context: number, level: number): void {
    this.output[context] = level;
    this.harts.set(context >> 1, (context & 1) === 0 ? 'meip' : 'seip', level === 1);
  }
}

/** The bits of a word of sources that stand for sources that exist. */
function existingSources(word: number): number {
  if (word === 0) return 0xffff_fffe | 0;
  const beyond = (word + 1) * 32 - (PLIC_SOURCE_COUNT + 1);
  return beyond <= 0 ? -1 : -1 >>> beyond;
}

/**
 * A spread goes through an iterator, whose results are most of what saving the board would leave to the garbage
 * collector.
 */
function listOf(values: Uint8Array | Uint32Array): number[] {
  const list = new Array<number>(values.length);
  for (let i = 0; i < values.length; i++) list[i] = values[i]!;
  return list;
}
