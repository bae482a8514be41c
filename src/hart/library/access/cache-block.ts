import { i32, type ModuleBuilder } from '../../../execute/wasm/index.ts';
import { Access } from '../../constants.ts';
import { TRAP_CAUSE, TRAP_VALUE } from '../../layout.ts';
import type { DataTranslate } from './data-translate.ts';

/**
 * (hart, block address, address for tval): raises a store's fault when the cache block can't be accessed (Zicbom
 * 2.5.2).
 */
export function defineProbeBlock(module: ModuleBuilder, dataTranslate: DataTranslate) {
  return module.function('probe_block', ['i32', 'i64', 'i64'], undefined, (f, hart, block, address) => {
    const target = f.call(dataTranslate, hart.get, block.get, i32(1), i32(Access.load));
    f.if(target.eq(-1), () => {
      // load faults 5 and 13 to store faults 7 and 15
      f.store(hart.get, hart.get.load64(TRAP_CAUSE).add(2), TRAP_CAUSE);
      f.store(hart.get, address.get, TRAP_VALUE);
    });
  });
}
