import type { ModuleBuilder } from '../../../execute/wasm/index.ts';
import { SLOTS_FRAME } from '../../decoded-slots.ts';
import { CROSSING_BITS, CROSSING_PAGE } from '../../layout.ts';

/** (hart, decoded page, slot) -> bits of the instruction, as an illegal-instruction exception reports them. */
export function defineInstructionBits(module: ModuleBuilder) {
  return module.function('instruction_bits', ['i32', 'i32', 'i32'], 'i64', (f, hart, page, slot) => {
    f.if(page.get.eq(hart.get.load(CROSSING_PAGE)), () => f.return(hart.get.load64Of(4, false, CROSSING_BITS)));
    const at = f.let(page.get.load(SLOTS_FRAME).add(slot.get.sub(page.get).shrU(2)));
    f.if(at.load16U().and(3).eq(3), () => f.return(at.load64Of(4, false)));
    f.result(at.load64Of(2, false));
  });
}
