import { i32, i64, type ModuleBuilder } from '../../execute/wasm/index.ts';
import { FRAME_BYTES } from '../../memory/layout.ts';

const MULTIPLIER = 0x9e37_79b9_7f4a_7c15n;

/**
 * (address, bytes, seed) -> a 64-bit hash of memory, 0 for all zeros, so that a page which was never touched and one
 * that is all zeros count the same. For finding divergence, not against forgery. `bytes` is a multiple of 8.
 */
export function defineDigest(module: ModuleBuilder) {
  const hash = module.function('hash', ['i32', 'i32', 'i64'], 'i64', (f, address, bytes, seed) => {
    const any = f.local('i64');
    const state = f.local('i64');
    const at = f.local('i32');
    const end = f.let(address.get.add(bytes.get));
    f.set(state, seed.get.xor(MULTIPLIER));
    f.set(at, address.get);
    f.loop((again) => {
      const value = f.let(at.get.load64());
      f.set(any, any.get.or(value));
      f.set(state, state.get.xor(value).mul(MULTIPLIER).rotl(29));
      f.set(at, at.get.add(8));
      f.branchIf(again, at.get.ltU(end));
    });
    f.if(any.get.eqz(), () => f.return(i64(0)));
    const mixed = f.let(state.get.xor(state.get.shrU(32)).mul(MULTIPLIER));
    f.result(mixed.xor(mixed.shrU(29)));
  });

  /** (first frame of a leaf of the map, page number, count) -> sum of the hashes of its frames. */
  const hashLeaf = module.function('hash_leaf', ['i32', 'i32', 'i32'], 'i64', (f, leaf, page, count) => {
    const sum = f.local('i64');
    const index = f.local('i32');
    f.loop((again) => {
      const frame = f.let(leaf.get.add(index.get.shl(2)).load().and(-FRAME_BYTES));
      f.if(frame, () => {
        const seed = page.get.add(index.get).extendU();
        f.set(sum, sum.get.add(f.call(hash, frame, i32(FRAME_BYTES), seed)));
      });
      f.set(index, index.get.add(1));
      f.branchIf(again, index.get.ltU(count.get));
    });
    f.result(sum.get);
  });

  return { hash, hashLeaf };
}
