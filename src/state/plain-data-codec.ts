import { decode, encode, Token, Type } from 'cborg';
import { structBigIntEncoder } from 'cborg/taglib';
import { GodwitError } from '../common/errors.ts';
import { violation } from '../common/invariant.ts';
import type { PlainData } from './plain-data.ts';

/** Nothing that a machine saves comes near; and time to read one grows with the square of its length. */
const MAXIMUM_BIGNUM_BYTES = 4096;

/**
 * Plain data as CBOR (RFC 8949) in its length-first deterministic encoding (4.2.3: shortest forms, keys in order of
 * length, then of bytes), so that equal data gives equal bytes. A bigint is always a bignum (tags 2 and 3) and a number
 * never is, so what is read has the types of what was written.
 */
export function encodePlainData(data: PlainData): Uint8Array {
  return encode(data, {
    typeEncoders: {
      bigint: structBigIntEncoder,
      // Integers that a number holds only roughly, and -0, would come back as something else.
      number: (value: number) =>
        (Number.isInteger(value) && !Number.isSafeInteger(value)) || Object.is(value, -0)
          ? [new Token(Type.float, value)]
          : null,
      undefined: () => {
        throw violation('plain data has no undefined in it');
      },
    },
  });
}

/** `what` is for the message. Throws GodwitError('damaged'). */
export function decodePlainData(bytes: Uint8Array, what: string): PlainData {
  try {
    return decode(bytes, {
      strict: true,
      allowIndefinite: false,
      allowUndefined: false,
      allowBigInt: false,
      rejectDuplicateMapKeys: true,
      tags: { 2: (content) => bignum(content()), 3: (content) => -1n - bignum(content()) },
    }) as PlainData;
  } catch (cause) {
    // Also a RangeError: nested so deeply that the stack does not hold it.
    throw new GodwitError('damaged', `${what} is damaged: its data cannot be read.`, { cause });
  }
}

function bignum(content: unknown): bigint {
  if (!(content instanceof Uint8Array)) throw new TypeError('a bignum is not made of bytes');
  if (content.length > MAXIMUM_BIGNUM_BYTES) throw new RangeError('a bignum is too long');
  let value = 0n;
  for (const byte of content) value = (value << 8n) | BigInt(byte);
  return value;
}
