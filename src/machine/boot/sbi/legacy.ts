/**
 * Legacy extensions (chapter 5), one function each. They return in a0 alone. Masks are pointers to guest-virtual memory
 * there, which are not followed: each of these calls goes to all harts. A fence or a software interrupt too many does
 * no harm.
 */

import { allHarts } from './harts.ts';
import {
  SBI_LEGACY_CLEAR_IPI,
  SBI_LEGACY_CONSOLE_GETCHAR,
  SBI_LEGACY_CONSOLE_PUTCHAR,
  SBI_LEGACY_REMOTE_FENCE_I,
  SBI_LEGACY_REMOTE_SFENCE_VMA,
  SBI_LEGACY_REMOTE_SFENCE_VMA_ASID,
  SBI_LEGACY_SEND_IPI,
  SBI_LEGACY_SET_TIMER,
  SBI_LEGACY_SHUTDOWN,
} from './numbers.ts';
import type { SbiCall } from './services.ts';

/** What goes to a0; undefined: the hart does not come back. */
export type LegacyFunction = (call: SbiCall) => bigint | undefined;

const DONE = 0n;

export const LEGACY_FUNCTIONS: ReadonlyMap<number, LegacyFunction> = new Map<number, LegacyFunction>([
  [
    SBI_LEGACY_SET_TIMER,
    ({ hart, services, argument }) => {
      services.setTimer(hart.id, argument(0));
      return DONE;
    },
  ],
  [
    SBI_LEGACY_CONSOLE_PUTCHAR,
    ({ services, argument }) => {
      services.consoleWrite(Number(argument(0) & 0xffn));
      return DONE;
    },
  ],
  [SBI_LEGACY_CONSOLE_GETCHAR, ({ services }) => BigInt(services.consoleRead())],
  [
    SBI_LEGACY_CLEAR_IPI,
    ({ hart, services }) => {
      services.clearIpi(hart.id);
      return DONE;
    },
  ],
  [
    SBI_LEGACY_SEND_IPI,
    ({ services }) => {
      services.sendIpi(allHarts(services));
      return DONE;
    },
  ],
  [
    SBI_LEGACY_REMOTE_FENCE_I,
    ({ services }) => {
      services.remoteFence(allHarts(services), { kind: 'fence.i' });
      return DONE;
    },
  ],
  [SBI_LEGACY_REMOTE_SFENCE_VMA, fenceAll],
  [SBI_LEGACY_REMOTE_SFENCE_VMA_ASID, fenceAll],
  [
    SBI_LEGACY_SHUTDOWN,
    ({ services }) => {
      services.reset('shutdown', 'none');
      return undefined;
    },
  ],
]);

function fenceAll({ services }: SbiCall): bigint {
  services.remoteFence(allHarts(services), { kind: 'sfence.vma' });
  return DONE;
}
