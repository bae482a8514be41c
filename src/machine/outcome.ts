import type { Finish } from '../device/finisher/test-finisher.ts';
import type { DebugHit } from './debug-stops.ts';

/** Why a machine does not run on. */
export type Outcome =
  /** The branch count that was asked for is reached. */
  | { readonly kind: 'slice' }
  /** The hart waits for an interrupt; `deadline` is the guest time at which one comes by itself. */
  | { readonly kind: 'waiting'; readonly deadline: bigint | undefined }
  /** The guest powered off, failed or asked for a reset. */
  | { readonly kind: 'finished'; readonly finish: Finish }
  /** Before an instruction that one of `stops` is for; or a debugger stopped for another reason, anywhere. */
  | { readonly kind: 'debug'; readonly hit?: DebugHit };
