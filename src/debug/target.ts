import type { MachineCore } from '../machine/core.ts';
import type { ExecutionPoint } from '../machine/execution-point.ts';
import type { Outcome } from '../machine/outcome.ts';

/** How far a stretch of execution came. `end`: there is no more to replay. */
export type Ran = Outcome | { readonly kind: 'end' };

/**
 * History that a machine can go back in. Nothing of it is stopped by breakpoints or watchpoints, but for `run` and
 * `step`.
 */
export interface ReverseExecution {
  readonly point: ExecutionPoint;
  /** To the place before the last instruction, interrupt or exception. */
  stepBack(): 'there' | 'beginning';
  /** To a place in history, exactly. */
  seek(point: ExecutionPoint): void;
  /**
   * To the start of the last stretch of history before a place; returns where that is, or undefined when there is none.
   */
  rewindBefore(until: ExecutionPoint): ExecutionPoint | undefined;
  rewindToBeginning(): void;
  /** To the first counted transfer at or after this branch count, or as near to it as history comes. */
  seekBranches(branches: bigint): void;
}

/** A machine that a debugger is put on, and what moves it: a live runner, or a replay. */
export interface DebugTarget {
  readonly core: MachineCore;
  /** Runs to the first counted transfer at or after `branches`, or to a stop. */
  run(branches: bigint): Ran;
  /** One instruction, interrupt or exception; a stop in its way may keep it from being done. */
  step(): Ran;
  /** From now on only the debugger moves the machine; its time stands still. */
  halt(): void;
  /** Calls `execute` for stretches of execution, again and again, until `hold`. */
  resume(execute: (branches: bigint) => Ran): void;
  /** The debugger is gone: the machine does what it would without one. */
  leave(): void;
  /** Ends the machine. */
  kill(): void;
  /** Lets messages in while history is searched. */
  yield(): Promise<void>;
  readonly history?: ReverseExecution;
  /** Why registers and memory can't be changed; undefined: they can. */
  readonly readonlyBecause?: string | undefined;
}
