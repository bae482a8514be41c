import type { I32, I64, ModuleBuilder } from '../../../execute/wasm/index.ts';
import { SUPERPAGE_HIGH, SUPERPAGE_LOW } from '../../layout.ts';

/** (hart, virtual page): widens the range that a flush of one page has to respect as a whole. */
export function defineNoteSuperpage(module: ModuleBuilder) {
  return module.function('tlb_note_superpage', ['i32', 'i64'], undefined, (f, hart, page) => {
    const keep = (offset: number, beyond: (limit: I64) => I32) => {
      f.if(beyond(hart.get.load64(offset)), () => f.store(hart.get, page.get, offset));
    };
    keep(SUPERPAGE_LOW, (limit) => page.get.ltU(limit));
    keep(SUPERPAGE_HIGH, (limit) => page.get.gtU(limit));
  });
}

export type NoteSuperpage = ReturnType<typeof defineNoteSuperpage>;
