import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import type { ExternalEvent } from '../../src/machine/events.ts';
import type { MachineSnapshot } from '../../src/machine/machine-snapshot.ts';
import type { Identity } from '../../src/run/identity.ts';
import { type LoggedEvent, stamp } from '../../src/run/replay-runner.ts';
import { epochFor } from '../../src/run/wall-time.ts';
import { CopiedPages } from '../support/copied-pages.ts';

const PROMPT = '~# ';
const SLICE = 100_000n;
/** What a command may take. */
const LIMIT = 400_000_000n;

interface FreshIdentity extends Identity {
  /** What the wall clock shows: nanoseconds since 1970. */
  readonly wallNanoseconds: bigint;
}

/**
 * A guest with a shell, in a machine without a clock: idle time is skipped. It can be forked, and keeps what reached
 * it.
 */
export class ShellGuest {
  readonly core: MachineCore;
  readonly events: LoggedEvent[] = [];
  private readonly screen: { text: string };
  private found = 0;
  private commands = 0;

  private constructor(core: MachineCore, screen: { text: string }) {
    this.core = core;
    this.screen = screen;
  }

  /** `identity`: it becomes that after so many branches. */
  static async boot(
    options: CoreOptions,
    identity?: FreshIdentity & { readonly branches: bigint },
  ): Promise<ShellGuest> {
    const { screen, output } = makeScreen();
    const guest = new ShellGuest(await MachineCore.create({ ...options, output }), screen);
    if (identity) {
      if (identity.branches > 0n) guest.run(identity.branches);
      guest.become(identity);
    }
    guest.runUntil(PROMPT, 2_000_000_000n);
    return guest;
  }

  static async restore(options: CoreOptions, { state, memory }: MachineSnapshot): Promise<ShellGuest> {
    const { screen, output } = makeScreen();
    const core = await MachineCore.restore({ ...options, output }, state, new CopiedPages(memory));
    return new ShellGuest(core, screen);
  }

  fork(snapshot: MachineSnapshot): ShellGuest {
    const { screen, output } = makeScreen();
    return new ShellGuest(this.core.fork(snapshot, { output }), screen);
  }

  become(identity: FreshIdentity): void {
    const { core } = this;
    const { seed, generationId, wallNanoseconds } = identity;
    if (!core.acceptsEvents) core.run(core.current.branches + 1n);
    // A hart that waits is told the time first, as the live runner does.
    if (core.waiting) this.deliver({ kind: 'clock', ticks: core.ticks, rate: core.clockRate });
    this.deliver({ kind: 'epoch', nanoseconds: epochFor(wallNanoseconds, core.ticks) });
    this.deliver({ kind: 'identity', seed, generationId });
  }

  private deliver(event: ExternalEvent): void {
    this.events.push(stamp(this.core, event));
  }

  get transcript(): string {
    return this.screen.text;
  }

  type(text: string): void {
    if (!this.core.acceptsEvents) this.core.run(this.core.current.branches + 1n);
    const bytes = new TextEncoder().encode(text);
    const { ticks, clockRate: rate } = this.core;
    if (this.core.waiting) this.deliver({ kind: 'clock', ticks, rate });
    this.deliver({ kind: 'input', port: 'uart', bytes });
  }

  /** What a command prints. */
  ask(command: string): string {
    const end = `end${this.commands++}.`;
    this.type(`\n${command}; echo e''${end.slice(1)}\n`);
    const from = this.runUntil(`\n${end}`, LIMIT);
    const echo = this.screen.text.lastIndexOf(`e''${end.slice(1)}`, from);
    return this.screen.text
      .slice(this.screen.text.indexOf('\n', echo) + 1, from)
      .replaceAll('\r', '')
      .trim();
  }

  /** Runs so many branches further, and to a counted transfer. */
  run(branches: bigint): void {
    const end = this.core.current.branches + branches;
    while (this.go(end) !== 'slice');
  }

  /** Runs until the text is printed, after what was found before. Returns where it starts. */
  private runUntil(wanted: string, branches: bigint): number {
    const end = this.core.current.branches + branches;
    for (;;) {
      const at = this.screen.text.indexOf(wanted, this.found);
      if (at >= 0) {
        this.found = at + wanted.length;
        return at;
      }
      if (this.core.current.branches > end) throw new Error(`no ${wanted} so far: ${this.screen.text.slice(-500)}`);
      this.go();
    }
  }

  private go(end = this.core.current.branches + SLICE): 'slice' | 'waiting' {
    const outcome = this.core.run(end);
    if (outcome.kind === 'finished') throw new Error(`the guest ended: ${this.screen.text.slice(-500)}`);
    if (outcome.kind !== 'waiting') return 'slice';
    if (outcome.deadline === undefined) throw new Error(`the guest waits for ever: ${this.screen.text.slice(-500)}`);
    this.core.skipTo(outcome.deadline);
    return 'waiting';
  }
}

function makeScreen(): { screen: { text: string }; output: NonNullable<CoreOptions['output']> } {
  const decoder = new TextDecoder();
  const screen = { text: '' };
  const output: CoreOptions['output'] = (_port, bytes) => {
    screen.text += decoder.decode(bytes, { stream: true });
  };
  return { screen, output };
}

/** The same 32 and 16 bytes for a number, always. */
export function identityOf(number: number): { seed: Uint8Array; generationId: Uint8Array } {
  const bytes = (length: number, salt: number) =>
    Uint8Array.from({ length }, (_, i) => (Math.imul(number + 1, 0x9e37_79b1) >>> (8 * (i & 3))) ^ (i * salt));
  return { seed: bytes(32, 7), generationId: bytes(16, 11) };
}
