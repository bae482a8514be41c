/** What the built-in SBI needs of the machine. It keeps no state of its own. */
import type { GuestMemory } from '../../../device/device.ts';
import type { SBI_HART_STATES } from './numbers.ts';

/**
 * The hart that executed `ecall` in S-mode. Values are 64 bits wide; signed and unsigned reading are both understood.
 */
export interface SbiHart {
  /** Number of the hart, as `a0` had it at boot. */
  readonly id: number;
  /** Register x0 to x31. */
  x(register: number): bigint;
  /** `value` is unsigned, 0 to 2^64 - 1. */
  setX(register: number, value: bigint): void;
}

export type SbiHartState = keyof typeof SBI_HART_STATES;
export type SbiResetKind = 'shutdown' | 'cold-reboot' | 'warm-reboot';
/** A number is what the guest gave: 0xe000_0000 and above are its own business. */
export type SbiResetReason = 'none' | 'failure' | number;

/** A fence for other harts (chapter 8). Without `range` it covers all addresses, without `asid` all address spaces. */
export type RemoteFence =
  | { readonly kind: 'fence.i' }
  | {
      readonly kind: 'sfence.vma';
      readonly range?: { readonly start: bigint; readonly sizeBytes: bigint };
      readonly asid?: bigint;
    };

/** Harts in lists exist, and occur once. */
export interface SbiServices {
  readonly hartCount: number;
  readonly memory: GuestMemory;
  /** Sets the timer of a hart: STIP rises when `time` reaches `deadline` (unsigned), and falls now if it has not. */
  setTimer(hart: number, deadline: bigint): void;
  /** Raises SSIP. */
  sendIpi(harts: readonly number[]): void;
  /** Takes SSIP of a hart back. */
  clearIpi(hart: number): void;
  /** Done on all harts when it returns. */
  remoteFence(harts: readonly number[], fence: RemoteFence): void;
  /** Ends the run of all harts; the calling hart executes nothing more. */
  reset(kind: SbiResetKind, reason: SbiResetReason): void;
  /** The console's output, never refused. */
  consoleWrite(byte: number): void;
  /** The next byte of the console's input, -1 when there is none. */
  consoleRead(): number;
  hartState(hart: number): SbiHartState;
  /** Starts a stopped hart in S-mode at a physical address: satp 0, sstatus.SIE 0, a0 its number, a1 `opaque`. */
  hartStart(hart: number, address: bigint, opaque: bigint): void;
  /** Stops the calling hart: it executes nothing more. */
  hartStop(hart: number): void;
  /** The calling hart waits as by `wfi`, then goes on behind the `ecall`. */
  hartSuspend(hart: number): void;
}

/** One call: the arguments a0 to a5, unsigned. */
export interface SbiCall {
  readonly hart: SbiHart;
  readonly services: SbiServices;
  /** FID, in a6. */
  readonly functionId: bigint;
  argument(index: 0 | 1 | 2 | 3 | 4 | 5): bigint;
}

/** What goes to a0 and a1. undefined: the hart does not come back, its registers stay. */
export type SbiResult = { readonly error: bigint; readonly value: bigint } | undefined;

export type SbiExtension = (call: SbiCall) => SbiResult;

export function success(value = 0n): SbiResult {
  return { error: 0n, value };
}

export function failure(error: bigint): SbiResult {
  return { error, value: 0n };
}
