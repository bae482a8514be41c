import * as L from '../hart/layout.ts';
import { decode, lengthOf } from '../isa/decode.ts';
import type { MachineCore } from '../machine/core.ts';
import type { WatchHit } from '../machine/debug-stops.ts';
import type { GuestView } from './guest-view.ts';

const STORES: ReadonlySet<string> = new Set(['sb', 'sh', 'sw', 'sd']);
const FLOAT_STORES: ReadonlySet<string> = new Set(['fsw', 'fsd']);

/**
 * What the store where the hart stands is about to write; undefined: it is none, or one that computes what it writes.
 */
function storedValue({ current: hart }: MachineCore, view: GuestView): bigint | undefined {
  const code = view.read(hart.pc, 4);
  if (!code || code.length < 2) return undefined;
  const low = code[0]! | (code[1]! << 8);
  if (code.length < lengthOf(low)) return undefined;
  const decoded = decode(low | ((code[2] ?? 0) << 16) | ((code[3] ?? 0) << 24));
  if (!decoded) return undefined;
  const { name } = decoded.instruction;
  if (STORES.has(name)) return hart.unsigned(L.X_REGISTERS + 8 * decoded.rs2);
  if (FLOAT_STORES.has(name)) return hart.unsigned(L.F_REGISTERS + 8 * decoded.rs2);
  return undefined;
}

/**
 * Whether the instruction where the hart stands is a store of what its memory holds already. False where that is not
 * known.
 */
export function storesWhatIsThere(core: MachineCore, view: GuestView, { address, bytes }: WatchHit): boolean {
  return view.virtual(() => {
    const value = storedValue(core, view);
    const there = value === undefined ? undefined : view.read(address, bytes);
    if (value === undefined || there?.length !== bytes) return false;
    return there.every((byte, i) => BigInt(byte) === ((value >> BigInt(8 * i)) & 0xffn));
  });
}
