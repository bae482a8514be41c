/**
 * Refcounts in a block are unsigned and 2^order bits wide: big-endian from 8 bits up, and below that packed into bytes
 * from the least significant bit.
 */
export interface RefcountWidth {
  readonly bits: number;
  readonly max: number;
  /** A count beyond 2^53 is given rounded; it is only ever compared. */
  get(view: DataView, index: number): number;
  set(view: DataView, index: number, value: number): void;
  /** Takes one off; exact for all values. The count must not be 0. */
  decrement(view: DataView, index: number): void;
}

export function refcountWidth(order: number): RefcountWidth {
  if (order < 3) return packed(2 ** order);
  if (order === 3)
    return whole(
      8,
      (v, i) => v.getUint8(i),
      (v, i, x) => v.setUint8(i, x),
    );
  if (order === 4)
    return whole(
      16,
      (v, i) => v.getUint16(i * 2),
      (v, i, x) => v.setUint16(i * 2, x),
    );
  if (order === 5)
    return whole(
      32,
      (v, i) => v.getUint32(i * 4),
      (v, i, x) => v.setUint32(i * 4, x),
    );
  return {
    bits: 64,
    max: Number.MAX_SAFE_INTEGER,
    get: (view, index) => Number(view.getBigUint64(index * 8)),
    set: (view, index, value) => view.setBigUint64(index * 8, BigInt(value)),
    decrement: (view, index) => view.setBigUint64(index * 8, view.getBigUint64(index * 8) - 1n),
  };
}

function whole(bits: number, get: RefcountWidth['get'], set: RefcountWidth['set']): RefcountWidth {
  return { bits, max: 2 ** bits - 1, get, set, decrement: (view, index) => set(view, index, get(view, index) - 1) };
}

function packed(bits: number): RefcountWidth {
  const max = 2 ** bits - 1;
  const shift = (index: number): number => (index * bits) & 7;
  const at = (index: number): number => (index * bits) >>> 3;
  return whole(
    bits,
    (view, index) => (view.getUint8(at(index)) >>> shift(index)) & max,
    (view, index, value) => {
      const others = view.getUint8(at(index)) & ~(max << shift(index));
      view.setUint8(at(index), others | (value << shift(index)));
    },
  );
}
