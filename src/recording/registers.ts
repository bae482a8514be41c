import { SAVED_REGISTERS } from '../hart/saved-registers.ts';

/** A register that a replay has otherwise than the recording. */
export interface RegisterDifference {
  /** As in the RISC-V specifications (hart/saved-registers.ts). */
  readonly name: string;
  /** Its 64 bits in the recording. */
  readonly recorded: bigint;
  /** Its 64 bits in the replay. */
  readonly replayed: bigint;
}

/**
 * Names of the registers in the digests that this godwit takes, in their order. A recording says those of its own at
 * its start.
 */
export const REGISTER_NAMES: readonly string[] = SAVED_REGISTERS.map(({ name }) => name);

/**
 * Of the registers of each hart, 8 bytes each: as they were recorded, in the order of `names`, and as a replay has
 * them.
 */
export function registersThatDiffer(
  recorded: readonly Uint8Array[],
  replayed: readonly Uint8Array[],
  names: readonly string[],
): RegisterDifference[] {
  if (recorded.length !== replayed.length) {
    return [{ name: 'harts', recorded: BigInt(recorded.length), replayed: BigInt(replayed.length) }];
  }
  return recorded.flatMap((values, hart) => {
    const differences = differencesOf(values, replayed[hart]!, names);
    return recorded.length === 1
      ? differences
      : differences.map((each) => ({ ...each, name: `${each.name} of hart ${hart}` }));
  });
}

function differencesOf(recorded: Uint8Array, replayed: Uint8Array, names: readonly string[]): RegisterDifference[] {
  if (recorded.length !== 8 * names.length) throw new RangeError('a digest has not the registers that it should have');
  const now = new DataView(replayed.buffer, replayed.byteOffset, replayed.length);
  const before = new DataView(recorded.buffer, recorded.byteOffset, recorded.length);
  const places = names === REGISTER_NAMES ? undefined : placesOf(names);
  return names.flatMap((name, index) => {
    const value = before.getBigUint64(8 * index, true);
    const place = places ? places[index]! : index;
    if (place < 0) return [];
    const other = now.getBigUint64(8 * place, true);
    return value === other ? [] : [{ name, recorded: value, replayed: other }];
  });
}

/**
 * Where these registers are in the digests of this godwit; -1: nowhere, which only registers can be that are marked as
 * optional.
 */
function placesOf(names: readonly string[]): number[] {
  return names.map((name) => REGISTER_NAMES.indexOf(name));
}

/** The register of this name of one hart; undefined where there is none. */
export function registerNamed(name: string, values: Uint8Array, names: readonly string[]): bigint | undefined {
  const index = names.indexOf(name);
  if (index < 0 || values.length < 8 * index + 8) return undefined;
  return new DataView(values.buffer, values.byteOffset).getBigUint64(8 * index, true);
}
