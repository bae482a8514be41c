import { i32, type ModuleBuilder, select } from '../../../execute/wasm/index.ts';
import { Access, CAUSE_DEBUG_STOP } from '../../constants.ts';
import { DEBUG_STOPS, DEBUG_WATCHPOINTS } from '../../layout.ts';
import type { Faults } from '../faults.ts';
import type { DeclaredImports } from '../imports.ts';
import { crosses } from './crosses.ts';
import type { DataTranslate } from './data-translate.ts';

/**
 * (hart, virtual address, width, access): 1 after raising a debugger's stop, or the fault of an access that cannot be
 * made; then it must not be done.
 */
export function defineWatched(
  module: ModuleBuilder,
  host: DeclaredImports,
  { raise }: Faults,
  dataTranslate: DataTranslate,
) {
  return module.function('watched', ['i32', 'i64', 'i32', 'i32'], 'i32', (f, hart, address, width, access) => {
    f.if(hart.get.load(DEBUG_STOPS).and(DEBUG_WATCHPOINTS).eqz(), () => f.return(i32(0)));
    f.if(f.call(host.debugAccess, hart.get, address.get, width.get, access.get).eqz(), () => f.return(i32(0)));
    const stores = f.let(select(access.get.and(Access.store), i32(Access.store), i32(Access.load)));
    const inPage = f.let(select(crosses(address.get, width.get), i32(1), width.get));
    f.if(f.call(dataTranslate, hart.get, address.get, inPage, stores).eq(-1), () => f.return(i32(1)));
    f.do(raise, hart.get, i32(CAUSE_DEBUG_STOP), address.get);
    f.result(i32(1));
  });
}

export type Watched = ReturnType<typeof defineWatched>;
