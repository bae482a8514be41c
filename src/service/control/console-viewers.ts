/**
 * Those of other processes who look at a machine's console, and type. None of them holds the machine or another one up:
 * who is too slow loses old output, and is told how much.
 */
import type { MachineHandle } from '../../api/machine.ts';
import type { TerminalSize } from '../../api/options.ts';
import { platform } from '../../platform/platform.ts';
import { textOfBytes } from './byte-text.ts';
import type { ConsoleEnd, ConsoleOutput } from './control-protocol.ts';
import { Scrollback } from './scrollback.ts';

/** What waits for one viewer. */
const WAITING_LIMIT_BYTES = 1024 * 1024;
const PORTION_BYTES = 32 * 1024;
/** How long viewers have for the last of the output before their connections are ended. */
const FAREWELL_MS = 1000;

/** Somebody who types, by identity: a connection, or the terminal that the machine runs on. */
export type Typist = object;

/** Resolves when it was taken. */
type Show = (output: ConsoleOutput) => Promise<void>;

export class ConsoleViewers {
  private readonly machine: MachineHandle;
  private readonly scrollback = new Scrollback();
  private readonly viewers = new Map<Typist, Set<Viewer>>();
  private readonly attached = new Set<Promise<unknown>>();
  private readonly windows = new Map<Typist, TerminalSize>();
  private lastTypist: Typist | undefined;
  /** The guest's terminal, as far as it is known here. */
  private terminal: TerminalSize | undefined;
  private readonly unwatch: () => void;

  constructor(machine: MachineHandle) {
    this.machine = machine;
    this.unwatch = machine.console.watch((bytes) => this.print(bytes));
  }

  private print(bytes: Uint8Array): void {
    this.scrollback.push(bytes);
    for (const viewers of this.viewers.values()) for (const viewer of viewers) viewer.push(bytes);
  }

  /** Shows the last of the output, and all that comes. Resolves when the machine has ended and all is shown. */
  attach(typist: Typist, show: Show): Promise<ConsoleEnd> {
    const viewer = new Viewer(show);
    const viewers = this.viewers.get(typist) ?? new Set();
    this.viewers.set(typist, viewers.add(viewer));
    viewer.push(this.scrollback.content());
    const ended = this.untilEnd(viewer);
    const settled = ended.catch(() => {}).finally(() => this.attached.delete(settled));
    this.attached.add(settled);
    return ended;
  }

  private async untilEnd(viewer: Viewer): Promise<ConsoleEnd> {
    try {
      const { reason, exitCode } = await this.machine.finished;
      return { reason, exitCode };
    } finally {
      await viewer.shown();
    }
  }

  /** Resolves when the guest's device has it. The terminal is as large as the window of who typed last. */
  async type(typist: Typist, bytes: Uint8Array): Promise<void> {
    const isOther = this.lastTypist !== typist;
    this.lastTypist = typist;
    if (isOther) this.fit(typist);
    await this.machine.console.write(bytes);
  }

  /** The machine was made for this one's terminal. */
  begin(typist: Typist, size: TerminalSize): void {
    this.windows.set(typist, size);
    this.lastTypist = typist;
    this.terminal = size;
  }

  /** Somebody's window has this size now. */
  resize(typist: Typist, size: TerminalSize): void {
    this.windows.set(typist, size);
    this.lastTypist ??= typist;
    if (this.lastTypist === typist) this.fit(typist);
  }

  private fit(typist: Typist): void {
    const size = this.windows.get(typist);
    if (!size || (size.columns === this.terminal?.columns && size.rows === this.terminal.rows)) return;
    this.terminal = size;
    // It is refused when the machine has ended.
    this.machine.console.resize(size.columns, size.rows).catch(() => {});
  }

  /** Somebody is gone. */
  leave(typist: Typist): void {
    for (const viewer of this.viewers.get(typist) ?? []) viewer.close();
    this.viewers.delete(typist);
    this.windows.delete(typist);
    if (this.lastTypist === typist) this.lastTypist = undefined;
  }

  /** Nothing more is shown. Resolves when the viewers of a machine that has ended know it, or are too slow. */
  async close(): Promise<void> {
    this.unwatch();
    if (this.attached.size === 0) return;
    const { timers } = platform();
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => {
      cancel = timers.later(FAREWELL_MS, resolve, { keepAlive: true });
    });
    await Promise.race([Promise.all(this.attached), late]);
    cancel();
    // The answers are on their way.
    await timers.turn();
  }
}

/** What is on its way to one of them. */
class Viewer {
  private readonly show: Show;
  private waiting: Uint8Array[] = [];
  private waitingBytes = 0;
  private lostBytes = 0;
  private showing: Promise<void> | undefined;
  private isClosed = false;

  constructor(show: Show) {
    this.show = show;
  }

  push(bytes: Uint8Array): void {
    if (this.isClosed || bytes.length === 0) return;
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    while (this.waitingBytes > WAITING_LIMIT_BYTES) this.lostBytes += this.take().length;
    this.showing ??= this.showAll().finally(() => {
      this.showing = undefined;
    });
  }

  private take(): Uint8Array {
    const [first] = this.waiting;
    const portion = first!.subarray(0, PORTION_BYTES);
    if (portion.length === first!.length) this.waiting.shift();
    else this.waiting[0] = first!.subarray(PORTION_BYTES);
    this.waitingBytes -= portion.length;
    return portion;
  }

  private async showAll(): Promise<void> {
    while (this.waiting.length > 0) {
      const { lostBytes } = this;
      this.lostBytes = 0;
      await this.show({ output: textOfBytes(this.take()), ...(lostBytes > 0 && { lostBytes }) });
    }
  }

  /** Resolves when nothing waits. */
  async shown(): Promise<void> {
    await this.showing;
  }

  close(): void {
    this.isClosed = true;
    this.waiting = [];
    this.waitingBytes = 0;
  }
}
