import { SAVED_REGISTERS } from '../hart/saved-registers.ts';
import { MAP_ENTRIES } from '../memory/layout.ts';
import type { MachineCore } from './core.ts';
import { digestOf } from './plain-digest.ts';

const DIGESTED = SAVED_REGISTERS.map(({ name, offset }) => ({ offset, seed: BigInt.asIntN(64, digestOf(name)) }));

/** A 64-bit digest of everything the guest could notice. Equal states give equal digests on every host. */
export function machineDigest({ engine, board, entropy, harts, ram }: MachineCore): bigint {
  const { interpreter } = engine;
  let sum = digestOf(board.save()) + digestOf(entropy.save());
  for (const { index, address } of harts) {
    // By name: the places may change. One that is zero counts like one that there is not.
    for (const { offset, seed } of DIGESTED) sum += interpreter.hash(address + offset, 8, seed + BigInt(index));
  }
  ram.loadAll();
  for (const { page, address: leaf } of ram.leaves()) {
    sum += interpreter.hash_leaf(leaf, page, Math.min(MAP_ENTRIES, ram.pageCount - page));
  }
  return BigInt.asUintN(64, sum);
}
