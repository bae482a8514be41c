/** TIME (chapter 6) and SRST (chapter 10). */
import {
  SBI_ERR_INVALID_PARAM,
  SBI_ERR_NOT_SUPPORTED,
  SBI_RESET_COLD_REBOOT,
  SBI_RESET_FREE_REASONS,
  SBI_RESET_NO_REASON,
  SBI_RESET_SHUTDOWN,
  SBI_RESET_SYSTEM_FAILURE,
  SBI_RESET_WARM_REBOOT,
} from './numbers.ts';
import { failure, type SbiCall, type SbiResetKind, type SbiResetReason, type SbiResult, success } from './services.ts';

export function timeExtension({ hart, services, functionId, argument }: SbiCall): SbiResult {
  if (functionId !== 0n) return failure(SBI_ERR_NOT_SUPPORTED);
  services.setTimer(hart.id, argument(0));
  return success();
}

const RESET_KINDS: ReadonlyMap<number, SbiResetKind> = new Map([
  [SBI_RESET_SHUTDOWN, 'shutdown'],
  [SBI_RESET_COLD_REBOOT, 'cold-reboot'],
  [SBI_RESET_WARM_REBOOT, 'warm-reboot'],
]);
/** Vendors may define reset types from here on; godwit has none. */
const VENDOR_RESET_TYPES = 0xf000_0000;

export function resetExtension({ services, functionId, argument }: SbiCall): SbiResult {
  if (functionId !== 0n) return failure(SBI_ERR_NOT_SUPPORTED);
  const type = uint32(argument(0));
  const kind = RESET_KINDS.get(type);
  const reason = resetReason(uint32(argument(1)));
  if (reason === undefined) return failure(SBI_ERR_INVALID_PARAM);
  if (kind === undefined) return failure(type >= VENDOR_RESET_TYPES ? SBI_ERR_NOT_SUPPORTED : SBI_ERR_INVALID_PARAM);
  services.reset(kind, reason);
  return undefined;
}

function resetReason(reason: number): SbiResetReason | undefined {
  if (reason === SBI_RESET_NO_REASON) return 'none';
  if (reason === SBI_RESET_SYSTEM_FAILURE) return 'failure';
  return reason >= SBI_RESET_FREE_REASONS ? reason : undefined;
}

/** Arguments that the specification has as uint32_t: the upper half of the register is not theirs. */
export function uint32(argument: bigint): number {
  return Number(BigInt.asUintN(32, argument));
}
