import { type FunctionBuilder, type I32, i32, type Local, type ModuleBuilder } from '../../../execute/wasm/index.ts';
import {
  IDLE_STORES_LIMIT,
  OP_UNDECODED,
  SLOT_BYTES,
  SLOT_OP,
  SLOTS_FRAME,
  SLOTS_IDLE_STORES,
} from '../../decoded-slots.ts';
import type { DeclaredImports } from '../imports.ts';

/** (decoded page, offset in the page, width): the slots of all instructions that have a byte there are decoded anew. */
export function defineCodeWritten(module: ModuleBuilder, host: DeclaredImports) {
  return module.function('slots_invalidate', ['i32', 'i32', 'i32'], undefined, (f, slots, offset, width) => {
    const index = f.local('i32');
    const decoded = f.local('i32');
    const last = f.let(offset.get.add(width.get).sub(1).shrU(1));
    f.set(index, offset.get.shrU(1));
    beginBefore(f, slots.get, index);
    undecode(f, slots.get, index, last, decoded);
    f.if(decoded.get, () => {
      f.store(slots.get, i32(0), SLOTS_IDLE_STORES);
      f.do(host.codeChanged, slots.get);
      f.return();
    });
    countIdle(f, host, slots.get);
  });
}

export type CodeWritten = ReturnType<typeof defineCodeWritten>;

/** An instruction of 4 bytes may begin one halfword before. */
function beginBefore(f: FunctionBuilder, slots: I32, index: Local<'i32'>): void {
  const before = f.let(slots.load(SLOTS_FRAME).add(index.get.sub(1).shl(1)));
  f.if(index.get, () => f.if(before.load16U().and(3).eq(3), () => f.set(index, index.get.sub(1))));
}

/** Empties the slots from `index` to `last`. `decoded` is not zero then when one of them was not empty. */
function undecode(f: FunctionBuilder, slots: I32, index: Local<'i32'>, last: I32, decoded: Local<'i32'>): void {
  f.loop((again) => {
    const slot = f.let(slots.add(index.get.mul(SLOT_BYTES)));
    f.set(decoded, decoded.get.or(slot.load16U(SLOT_OP)));
    f.store16(slot, OP_UNDECODED, SLOT_OP);
    f.set(index, index.get.add(1));
    f.branchIf(again, index.get.leU(last));
  });
}

/** What was code and is data now would be stored to the long way for ever. */
function countIdle(f: FunctionBuilder, host: DeclaredImports, slots: I32): void {
  const idle = f.let(slots.load(SLOTS_IDLE_STORES).add(1));
  f.store(slots, idle, SLOTS_IDLE_STORES);
  f.if(idle.eq(IDLE_STORES_LIMIT), () => f.do(host.codeIdle, slots));
}
