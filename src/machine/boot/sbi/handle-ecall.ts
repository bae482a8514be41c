/**
 * The built-in SBI (RISC-V Supervisor Binary Interface v2.0): Linux runs in S-mode without firmware.
 *
 *   a7         extension (EID)         a0   out: error
 *   a6         function (FID)          a1   out: value
 *   a0 to a5   arguments               all other registers stay (chapter 3)
 */
import { debugConsoleExtension } from './console.ts';
import { hartStateExtension, ipiExtension, remoteFenceExtension } from './harts.ts';
import { LEGACY_FUNCTIONS } from './legacy.ts';
import {
  SBI_ERR_NOT_SUPPORTED,
  SBI_EXT_BASE,
  SBI_EXT_DBCN,
  SBI_EXT_HSM,
  SBI_EXT_IPI,
  SBI_EXT_RFENCE,
  SBI_EXT_SRST,
  SBI_EXT_TIME,
  SBI_IMPLEMENTATION_ID,
  SBI_IMPLEMENTATION_VERSION,
  SBI_SPECIFICATION_VERSION,
} from './numbers.ts';
import {
  failure,
  type SbiCall,
  type SbiExtension,
  type SbiHart,
  type SbiResult,
  type SbiServices,
  success,
} from './services.ts';
import { resetExtension, timeExtension } from './system.ts';

const A0 = 10;
const A1 = 11;
const A6 = 16;
const A7 = 17;

const EXTENSIONS: ReadonlyMap<number, SbiExtension> = new Map<number, SbiExtension>([
  [SBI_EXT_BASE, baseExtension],
  [SBI_EXT_TIME, timeExtension],
  [SBI_EXT_IPI, ipiExtension],
  [SBI_EXT_RFENCE, remoteFenceExtension],
  [SBI_EXT_HSM, hartStateExtension],
  [SBI_EXT_SRST, resetExtension],
  [SBI_EXT_DBCN, debugConsoleExtension],
]);

/**
 * Carries out an `ecall` from S-mode and sets a0 and a1; the caller moves the pc behind it. Whatever the guest passes,
 * it throws nothing of its own.
 */
export function handleEcall(hart: SbiHart, services: SbiServices): void {
  const call: SbiCall = {
    hart,
    services,
    functionId: unsigned(hart.x(A6)),
    argument: (index) => unsigned(hart.x(A0 + index)),
  };
  const extensionId = numberOf(unsigned(hart.x(A7)));
  const legacy = LEGACY_FUNCTIONS.get(extensionId);
  if (legacy !== undefined) {
    const result = legacy(call);
    if (result !== undefined) hart.setX(A0, unsigned(result));
    return;
  }
  const result = (EXTENSIONS.get(extensionId) ?? unknownExtension)(call);
  if (result === undefined) return;
  hart.setX(A0, unsigned(result.error));
  hart.setX(A1, unsigned(result.value));
}

function unknownExtension(): SbiResult {
  return failure(SBI_ERR_NOT_SUPPORTED);
}

/** BASE (chapter 4). mvendorid, marchid and mimpid are 0 as in the CSRs: "not implemented". */
function baseExtension({ functionId, argument }: SbiCall): SbiResult {
  switch (functionId) {
    case 0n:
      return success(SBI_SPECIFICATION_VERSION);
    case 1n:
      return success(SBI_IMPLEMENTATION_ID);
    case 2n:
      return success(SBI_IMPLEMENTATION_VERSION);
    case 3n: {
      const extensionId = numberOf(argument(0));
      return success(EXTENSIONS.has(extensionId) || LEGACY_FUNCTIONS.has(extensionId) ? 1n : 0n);
    }
    case 4n:
    case 5n:
    case 6n:
      return success(0n);
    default:
      return failure(SBI_ERR_NOT_SUPPORTED);
  }
}

function unsigned(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

/** An extension's number; -1 for what is no 32-bit number and so no extension. */
function numberOf(extensionId: bigint): number {
  return extensionId <= 0xffff_ffffn ? Number(extensionId) : -1;
}
