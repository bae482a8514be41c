import {
  type Declared,
  type FunctionBuilder,
  type I32,
  type I64,
  i32,
  i64,
  type Local,
  type ModuleBuilder,
} from '../../../execute/wasm/index.ts';
import { Access } from '../../constants.ts';
import { DEBUG_STOPS, MMIO_FAULT, TRAP_PENDING } from '../../layout.ts';
import { crosses } from './crosses.ts';
import type { DataParts } from './data-parts.ts';
import { allowHost } from './data-translate.ts';
import { loadFromDevice } from './device.ts';

type Load = Declared<readonly ['i32', 'i64', 'i32'], 'i64'>;

/** (hart, virtual address, width) -> value, zero-extended; check TRAP_PENDING. */
export function defineLoad(module: ModuleBuilder, parts: DataParts): Load {
  const { host, physical, faults, dataTranslate, watched, deviceReachable } = parts;
  const access = i32(Access.load);
  const load = module.declare('load_slow', ['i32', 'i64', 'i32'], 'i64');
  module.define(load, (f, hart, address, width) => {
    const value = f.local('i64');
    const index = f.local('i32');
    f.if(hart.get.load(DEBUG_STOPS), () => {
      f.if(f.call(watched, hart.get, address.get, width.get, access), () => f.return(i64(0)));
    });
    f.if(crosses(address.get, width.get), () => {
      loadBytes(f, load, hart.get, address.get, width.get, { value, index });
      f.return(value.get);
    });
    const target = f.let(f.call(dataTranslate, hart.get, address.get, width.get, access));
    f.if(target.eq(-1), () => f.return(i64(0)));
    const frame = f.let(f.call(physical.frameOf, hart.get, target, access));
    f.if(frame, () => {
      allowHost(f, host, hart.get, address.get, frame, 'loads');
      returnFromFrame(f, f.let(frame.or(target.wrap().and(4095))), width.get);
    });
    const reachable = f.call(deviceReachable, hart.get, address.get, target, width.get, access);
    f.if(reachable.eqz(), () => f.return(i64(0)));
    loadFromDevice(f, host, hart.get, target, width.get, value);
    f.if(hart.get.load(MMIO_FAULT), () => f.do(faults.accessFault, hart.get, address.get, access));
    f.result(value.get);
  });
  return load;
}

/** Loads byte after byte: two pages have two translations. Returns from the function at the first fault. */
function loadBytes(
  f: FunctionBuilder,
  load: Load,
  hart: I32,
  address: I64,
  width: I32,
  { value, index }: { value: Local<'i64'>; index: Local<'i32'> },
): void {
  f.loop((again) => {
    const byte = f.call(load, hart, address.add(index.get.extendU()), i32(1));
    f.set(value, value.get.or(byte.shl(index.get.shl(3).extendU())));
    f.if(hart.load(TRAP_PENDING), () => f.return(i64(0)));
    f.set(index, index.get.add(1));
    f.branchIf(again, index.get.ltU(width));
  });
}

function returnFromFrame(f: FunctionBuilder, at: I32, width: I32): void {
  f.if(width.eq(8), () => f.return(at.load64()));
  f.if(width.eq(4), () => f.return(at.load64Of(4, false)));
  f.if(width.eq(2), () => f.return(at.load64Of(2, false)));
  f.return(at.load64Of(1, false));
}
