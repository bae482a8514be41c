import { i32, type ModuleBuilder, select } from '../../../execute/wasm/index.ts';
import { ACCESS_ATOMIC, Access, Cause } from '../../constants.ts';
import { DEBUG_STOPS } from '../../layout.ts';
import type { CodeWritten } from './code-written.ts';
import type { DataParts } from './data-parts.ts';
import type { DataTranslate } from './data-translate.ts';

/**
 * (hart, virtual address, width, access) -> host address for an atomic access, or 0 after raising. It is aligned and in
 * RAM: devices take no atomic accesses. For stores the translated code of those bytes is dropped first.
 */
export function defineAtomicAddress(module: ModuleBuilder, parts: DataParts, codeWritten: CodeWritten) {
  const { physical, faults, dataTranslate, watched } = parts;
  return module.function('atomic_address', ['i32', 'i64', 'i32', 'i32'], 'i32', (f, hart, address, width, access) => {
    f.if(address.get.wrap().and(width.get.sub(1)), () => {
      const cause = access.get.shl(1).add(Cause.loadMisaligned - 2);
      f.do(faults.raise, hart.get, cause, address.get);
      f.return(i32(0));
    });
    f.if(hart.get.load(DEBUG_STOPS), () => {
      const both = f.let(select(access.get.eq(Access.store), i32(ACCESS_ATOMIC), i32(Access.load)));
      f.if(f.call(watched, hart.get, address.get, width.get, both), () => f.return(i32(0)));
    });
    const target = f.let(f.call(dataTranslate, hart.get, address.get, width.get, access.get));
    f.if(target.eq(-1), () => f.return(i32(0)));
    const frame = f.let(f.call(physical.frameOf, hart.get, target, access.get));
    f.if(frame.eqz(), () => {
      f.do(faults.accessFault, hart.get, address.get, access.get);
      f.return(i32(0));
    });
    const slots = f.let(physical.decodedPage(hart.get, frame));
    const offset = f.let(target.wrap().and(4095));
    f.if(access.get.eq(Access.store).and(slots.ne(0)), () => f.do(codeWritten, slots, offset, width.get));
    f.result(frame.or(offset));
  });
}

/**
 * (hart, virtual address, width, access) -> physical address that stands for a reservation; after `atomic_address`
 * succeeded.
 */
export function definePhysicalOf(module: ModuleBuilder, dataTranslate: DataTranslate) {
  return module.function('physical_of', ['i32', 'i64', 'i32', 'i32'], 'i64', (f, hart, address, width, access) => {
    f.result(f.call(dataTranslate, hart.get, address.get, width.get, access.get));
  });
}
