import {
  type FunctionBuilder,
  type I32,
  type I64,
  i32,
  type Local,
  type ModuleBuilder,
} from '../../../execute/wasm/index.ts';
import { MMIO_FAULT } from '../../layout.ts';
import type { Faults } from '../faults.ts';
import type { DeclaredImports } from '../imports.ts';

/** Physical addresses above this are nothing on the board. */
export const PHYSICAL_LIMIT = 1n << 32n;

/** (hart, virtual address, physical address, width, access): 1 when a device may be asked, else 0 after raising. */
export function defineDeviceReachable(module: ModuleBuilder, { accessFault }: Faults) {
  return module.function(
    'device_reachable',
    ['i32', 'i64', 'i64', 'i32', 'i32'],
    'i32',
    (f, hart, address, target, width, access) => {
      const misaligned = target.get.wrap().and(width.get.sub(1)).ne(0);
      f.if(target.get.geU(PHYSICAL_LIMIT).or(misaligned), () => {
        f.do(accessFault, hart.get, address.get, access.get);
        f.return(i32(0));
      });
      f.store(hart.get, i32(0), MMIO_FAULT);
      f.result(i32(1));
    },
  );
}

export type DeviceReachable = ReturnType<typeof defineDeviceReachable>;

/**
 * Sets `value` to what the device's register holds; 8 bytes are two registers, the lower one first. Sets MMIO_FAULT.
 */
export function loadFromDevice(
  f: FunctionBuilder,
  host: DeclaredImports,
  hart: I32,
  target: I64,
  width: I32,
  value: Local<'i64'>,
): void {
  f.if(
    width.eq(8),
    () => {
      f.set(value, f.call(host.mmioLoad, hart, target.wrap(), i32(4)).extendU());
      f.set(value, value.get.or(f.call(host.mmioLoad, hart, target.wrap().add(4), i32(4)).extendU().shl(32)));
    },
    () => f.set(value, f.call(host.mmioLoad, hart, target.wrap(), width).extendU()),
  );
}

/** The same the other way. */
export function storeToDevice(
  f: FunctionBuilder,
  host: DeclaredImports,
  hart: I32,
  target: I64,
  width: I32,
  value: I64,
): void {
  f.if(
    width.eq(8),
    () => {
      f.do(host.mmioStore, hart, target.wrap(), i32(4), value.wrap());
      f.do(host.mmioStore, hart, target.wrap().add(4), i32(4), value.shrU(32).wrap());
    },
    () => f.do(host.mmioStore, hart, target.wrap(), width, value.wrap()),
  );
}
