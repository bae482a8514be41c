import type { Watchpoint } from '../machine/debug-stops.ts';

/** Why the machine stands, as a debugger is told. */
export type Stop =
  /** A step is done. */
  | { readonly kind: 'step' }
  | { readonly kind: 'interrupt' }
  | { readonly kind: 'breakpoint'; readonly address: bigint }
  /** Going forward the access is about to be done, going back to be undone. `address` lies in the watchpoint. */
  | { readonly kind: 'watchpoint'; readonly watch: Watchpoint['kind']; readonly address: bigint }
  /** There is no more history in that direction. */
  | { readonly kind: 'history'; readonly end: 'begin' | 'end' }
  /** The guest powered off or failed, or the machine was stopped. */
  | { readonly kind: 'exited'; readonly code: number };

/** What the machine is to do until it stops. */
export type Resume =
  | { readonly kind: 'continue' }
  | { readonly kind: 'step' }
  /** Steps while pc is in [start, end). */
  | { readonly kind: 'range'; readonly start: bigint; readonly end: bigint };

export type Reverse = 'step' | 'continue';
