import * as L from '../hart/layout.ts';

export interface RegisterDifference {
  readonly name: string;
  readonly recorded: bigint;
  readonly replayed: bigint;
}

/** The scalars of a hart by their offset, with the names of hart/layout.ts in small letters. */
const SCALARS: ReadonlyMap<number, string> = new Map(
  Object.entries(L)
    .filter(([name, offset]) => offset >= L.SAVED_START && offset < L.SAVED_END && name !== 'SAVED_START')
    .map(([name, offset]) => [offset, name.toLowerCase()]),
);

function nameOf(offset: number): string {
  if (offset < L.F_REGISTERS) return `x${(offset - L.X_REGISTERS) / 8}`;
  if (offset < L.SAVED_START) return `f${(offset - L.F_REGISTERS) / 8}`;
  for (let start = offset; start >= L.SAVED_START; start -= 8) {
    const name = SCALARS.get(start);
    // Arrays have a name only for their first element.
    if (name !== undefined) return start === offset ? name : `${name}[${(offset - start) / 8}]`;
  }
  return `offset 0x${offset.toString(16)}`;
}

/** Of two copies of a hart's saved registers. */
export function registersThatDiffer(recorded: Uint8Array, replayed: Uint8Array): RegisterDifference[] {
  if (recorded.length !== replayed.length) return [{ name: 'all', recorded: 0n, replayed: 0n }];
  const a = new DataView(recorded.buffer, recorded.byteOffset, recorded.length);
  const b = new DataView(replayed.buffer, replayed.byteOffset, replayed.length);
  const differences: RegisterDifference[] = [];
  for (let offset = 0; offset + 8 <= recorded.length; offset += 8) {
    const before = a.getBigUint64(offset, true);
    const now = b.getBigUint64(offset, true);
    if (before !== now) differences.push({ name: nameOf(offset), recorded: before, replayed: now });
  }
  return differences;
}
