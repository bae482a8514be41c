import {
  type Declared,
  type FunctionBuilder,
  type I32,
  type I64,
  i32,
  type Local,
  type ModuleBuilder,
} from '../../../execute/wasm/index.ts';
import { Access } from '../../constants.ts';
import { DEBUG_STOPS, MMIO_FAULT } from '../../layout.ts';
import type { CodeWritten } from './code-written.ts';
import { crosses } from './crosses.ts';
import type { DataParts } from './data-parts.ts';
import { allowHost, type DataTranslate } from './data-translate.ts';
import { storeToDevice } from './device.ts';

type Store = Declared<readonly ['i32', 'i64', 'i64', 'i32'], 'i32'>;

/** (hart, virtual address, value, width) -> 0, or 1 after raising a fault; then nothing is written. */
export function defineStore(module: ModuleBuilder, parts: DataParts, codeWritten: CodeWritten): Store {
  const { host, physical, faults, dataTranslate, watched, deviceReachable } = parts;
  const access = i32(Access.store);
  const store = module.declare('store_slow', ['i32', 'i64', 'i64', 'i32'], 'i32');
  module.define(store, (f, hart, address, value, width) => {
    const index = f.local('i32');
    f.if(hart.get.load(DEBUG_STOPS), () => {
      f.if(f.call(watched, hart.get, address.get, width.get, access), () => f.return(i32(1)));
    });
    f.if(crosses(address.get, width.get), () => {
      translateBoth(f, dataTranslate, hart.get, address.get);
      storeBytes(f, store, hart.get, address.get, value.get, width.get, index);
      f.return(i32(0));
    });
    const target = f.let(f.call(dataTranslate, hart.get, address.get, width.get, access));
    f.if(target.eq(-1), () => f.return(i32(1)));
    const frame = f.let(f.call(physical.frameOf, hart.get, target, access));
    f.if(frame, () => {
      const offset = f.let(target.wrap().and(4095));
      const at = f.let(frame.or(offset));
      const slots = f.let(physical.decodedPage(hart.get, frame));
      f.if(
        slots,
        () => f.do(codeWritten, slots, offset, width.get),
        () => allowHost(f, host, hart.get, address.get, frame, 'loads-and-stores'),
      );
      for (const bytes of [8, 4, 2, 1] as const) f.if(width.get.eq(bytes), () => f.store64Of(bytes, at, value.get));
      f.return(i32(0));
    });
    const reachable = f.call(deviceReachable, hart.get, address.get, target, width.get, access);
    f.if(reachable.eqz(), () => f.return(i32(1)));
    storeToDevice(f, host, hart.get, target, width.get, value.get);
    f.if(hart.get.load(MMIO_FAULT), () => {
      f.do(faults.accessFault, hart.get, address.get, access);
      f.return(i32(1));
    });
    f.result(i32(0));
  });
  return store;
}

/** Returns from the function when either page of a store across two faults: then no byte of it is written. */
function translateBoth(f: FunctionBuilder, dataTranslate: DataTranslate, hart: I32, address: I64): void {
  const access = i32(Access.store);
  const second = f.let(address.or(4095).add(1));
  f.if(f.call(dataTranslate, hart, address, i32(1), access).eq(-1), () => f.return(i32(1)));
  f.if(f.call(dataTranslate, hart, second, i32(1), access).eq(-1), () => f.return(i32(1)));
}

function storeBytes(
  f: FunctionBuilder,
  store: Store,
  hart: I32,
  address: I64,
  value: I64,
  width: I32,
  index: Local<'i32'>,
): void {
  f.loop((again) => {
    const byte = value.shrU(index.get.shl(3).extendU()).and(0xff);
    f.if(f.call(store, hart, address.add(index.get.extendU()), byte, i32(1)), () => f.return(i32(1)));
    f.set(index, index.get.add(1));
    f.branchIf(again, index.get.ltU(width));
  });
}
