/** DBCN, the debug console (chapter 12). */
import { SBI_ERR_INVALID_PARAM, SBI_ERR_NOT_SUPPORTED } from './numbers.ts';
import { failure, type SbiCall, type SbiResult, success } from './services.ts';

/** One call moves at most this much, so that it ends soon; it tells how much it was, and the guest calls again. */
const CALL_BYTES = 4096;

export function debugConsoleExtension(call: SbiCall): SbiResult {
  switch (call.functionId) {
    case 0n:
      return write(call);
    case 1n:
      return read(call);
    case 2n:
      call.services.consoleWrite(Number(call.argument(0) & 0xffn));
      return success();
    default:
      return failure(SBI_ERR_NOT_SUPPORTED);
  }
}

function write(call: SbiCall): SbiResult {
  const range = guestRange(call);
  if (range === undefined) return failure(SBI_ERR_INVALID_PARAM);
  const text = call.services.memory.copyOut(range.address, range.length);
  if (text === undefined) return failure(SBI_ERR_INVALID_PARAM);
  for (const byte of text) call.services.consoleWrite(byte);
  return success(BigInt(text.length));
}

function read(call: SbiCall): SbiResult {
  const { memory } = call.services;
  const range = guestRange(call);
  // Asked before input is taken, for it could not be put back.
  if (range === undefined || memory.spans(range.address, range.length, 'write') === undefined) {
    return failure(SBI_ERR_INVALID_PARAM);
  }
  const input: number[] = [];
  while (input.length < range.length) {
    const byte = call.services.consoleRead();
    if (byte < 0) break;
    input.push(byte);
  }
  memory.copyIn(range.address, Uint8Array.from(input));
  return success(BigInt(input.length));
}

/** The range that a0 (bytes), a1 and a2 (address, low and high XLEN bits) name, cut to what one call moves. */
function guestRange({ services, argument }: SbiCall): { address: bigint; length: number } | undefined {
  const [length, address, addressHigh] = [argument(0), argument(1), argument(2)];
  if (addressHigh !== 0n) return undefined;
  if (length > 0n && services.memory.spans(address + length - 1n, 1, 'read') === undefined) return undefined;
  return { address, length: length < CALL_BYTES ? Number(length) : CALL_BYTES };
}
