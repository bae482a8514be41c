/** What harts do to each other: IPI (chapter 7), RFENCE (chapter 8), HSM (chapter 9). */
import {
  SBI_ERR_ALREADY_AVAILABLE,
  SBI_ERR_INVALID_ADDRESS,
  SBI_ERR_INVALID_PARAM,
  SBI_ERR_NOT_SUPPORTED,
  SBI_HART_STATES,
  SBI_SUSPEND_NON_RETENTIVE,
  SBI_SUSPEND_RETENTIVE,
} from './numbers.ts';
import { failure, type RemoteFence, type SbiCall, type SbiResult, type SbiServices, success } from './services.ts';
import { uint32 } from './system.ts';

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

export function allHarts({ hartCount }: SbiServices): number[] {
  return Array.from({ length: hartCount }, (_, hart) => hart);
}

/** The harts that a mask and its base name (3.1); undefined when one of them does not exist. */
function maskedHarts(services: SbiServices, mask: bigint, base: bigint): number[] | undefined {
  if (base === ALL_ONES) return allHarts(services);
  if (base >= BigInt(services.hartCount)) return undefined;
  const harts: number[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((mask >> BigInt(bit)) & 1n) === 0n) continue;
    const hart = Number(base) + bit;
    if (hart >= services.hartCount) return undefined;
    harts.push(hart);
  }
  return harts;
}

export function ipiExtension({ services, functionId, argument }: SbiCall): SbiResult {
  if (functionId !== 0n) return failure(SBI_ERR_NOT_SUPPORTED);
  const harts = maskedHarts(services, argument(0), argument(1));
  if (harts === undefined) return failure(SBI_ERR_INVALID_PARAM);
  services.sendIpi(harts);
  return success();
}

export function remoteFenceExtension(call: SbiCall): SbiResult {
  const { services, argument } = call;
  const fence = requestedFence(call);
  if (fence === undefined) return failure(SBI_ERR_NOT_SUPPORTED);
  const harts = maskedHarts(services, argument(0), argument(1));
  if (harts === undefined) return failure(SBI_ERR_INVALID_PARAM);
  services.remoteFence(harts, fence);
  return success();
}

/** Functions 3 to 6 are for hypervisors, which need the H extension. */
function requestedFence({ functionId, argument }: SbiCall): RemoteFence | undefined {
  if (functionId === 0n) return { kind: 'fence.i' };
  if (functionId === 1n) return fenceOf(argument(2), argument(3));
  if (functionId === 2n) return { ...fenceOf(argument(2), argument(3)), asid: argument(4) };
  return undefined;
}

/** All addresses when both are 0 or the size is all ones (8, table 2). */
function fenceOf(start: bigint, sizeBytes: bigint): RemoteFence & { kind: 'sfence.vma' } {
  const all = sizeBytes === ALL_ONES || (start === 0n && sizeBytes === 0n);
  return all ? { kind: 'sfence.vma' } : { kind: 'sfence.vma', range: { start, sizeBytes } };
}

export function hartStateExtension(call: SbiCall): SbiResult {
  const { hart, services, functionId, argument } = call;
  switch (functionId) {
    case 0n:
      return startHart(call);
    case 1n:
      services.hartStop(hart.id);
      return undefined;
    case 2n: {
      const target = argument(0);
      if (target >= BigInt(services.hartCount)) return failure(SBI_ERR_INVALID_PARAM);
      return success(SBI_HART_STATES[services.hartState(Number(target))]);
    }
    case 3n:
      return suspendHart(call);
    default:
      return failure(SBI_ERR_NOT_SUPPORTED);
  }
}

function startHart({ services, argument }: SbiCall): SbiResult {
  const [target, address, opaque] = [argument(0), argument(1), argument(2)];
  if (target >= BigInt(services.hartCount)) return failure(SBI_ERR_INVALID_PARAM);
  if (services.hartState(Number(target)) !== 'stopped') return failure(SBI_ERR_ALREADY_AVAILABLE);
  // An odd address is no instruction's, and one outside RAM could only trap at once, before any handler is set.
  if ((address & 1n) !== 0n || services.memory.readU16(address) === undefined) return failure(SBI_ERR_INVALID_ADDRESS);
  services.hartStart(Number(target), address, opaque);
  return success();
}

/** Only the default retentive suspension: harts have no state that they could lose. */
function suspendHart({ hart, services, argument }: SbiCall): SbiResult {
  const type = uint32(argument(0));
  if (type === SBI_SUSPEND_RETENTIVE) {
    services.hartSuspend(hart.id);
    return success();
  }
  // From 0x1000_0000 and 0x9000_0000 on a platform may define its own; what lies below is reserved.
  const platform = (type & 0x7fff_ffff) >= 0x1000_0000;
  return failure(type === SBI_SUSPEND_NON_RETENTIVE || platform ? SBI_ERR_NOT_SUPPORTED : SBI_ERR_INVALID_PARAM);
}
