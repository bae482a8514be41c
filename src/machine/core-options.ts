import type { TranslationCache } from '../execute/jit/cache.ts';
import type { RegionCompiler } from '../execute/jit/compiler.ts';
import type { AgentPortParts, DiskDescription, ShareDescription } from './board.ts';
import type { MachineCore } from './core.ts';
import type { TranslationOptions } from './engine.ts';
import type { ConsolePort } from './events.ts';

export interface CoreOptions {
  readonly memoryBytes: number;
  /** 32 bytes that everything random in the machine follows from. */
  readonly seed: Uint8Array;
  /** Wall-clock time at guest time 0, in nanoseconds since 1970. */
  readonly epochNanoseconds?: bigint;
  readonly disks?: readonly DiskDescription[];
  readonly shares?: readonly ShareDescription[];
  readonly terminal?: { readonly columns: number; readonly rows: number };
  /** Called at power-on and after each reset, to put images into memory and the hart at their entry. */
  readonly load: (core: MachineCore) => void;
  /** What the guest prints. The view is valid only during the call. */
  readonly output?: (port: ConsolePort, bytes: Uint8Array) => void;
  /** A new machine has a port for an agent in the guest. One that goes on has what it had. Default: none. */
  readonly hasAgent?: boolean;
  /** What the agent says, and whether it has its port open. The view is valid only during the call. */
  readonly agent?: AgentPortParts;
  /** Share the memory between threads. */
  readonly shared?: boolean;
  readonly floatFastPaths?: boolean;
  readonly translation?: Partial<TranslationOptions>;
  /**
   * Memory reserved for this machine and its forks together; untouched memory costs nothing. Default: enough for the
   * machine.
   */
  readonly reservedBytes?: number;
  /** Compiles regions, and keeps them. Defaults: engine.ts. */
  readonly compiler?: RegionCompiler;
  readonly cache?: TranslationCache;
  /** Frees what is not needed any more, where the host would take its time. Called when much was given up. */
  readonly collectGarbage?: () => void;
}

/** A fork has these by itself; all else is as its parent's. */
const FORK_OPTIONS = ['load', 'output', 'agent', 'disks', 'shares'] as const;
export type ForkOptions = Partial<Pick<CoreOptions, (typeof FORK_OPTIONS)[number]>>;

/** What a fork is to have by itself, of what a machine of its own would have. */
export function forkOptionsOf(options: CoreOptions): ForkOptions {
  return Object.fromEntries(
    FORK_OPTIONS.map((name) => [name, options[name]]).filter(([, value]) => value !== undefined),
  );
}
