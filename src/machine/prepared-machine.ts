import type { GuestRam } from '../memory/guest-ram.ts';
import type { PageSource } from '../memory/page-source.ts';
import type { PlainData } from '../state/plain-data.ts';
import type { MachineCore } from './core.ts';

/** A machine whose engine, memory and board are there before its state is known. It is begun, or disposed of. */
export interface PreparedMachine {
  /** Pages may be put there ahead (`place`). Nothing else is to be done with it. */
  readonly ram: GuestRam;
  /**
   * Goes on where another machine was saved, as `MachineCore.restore`; pages that are there already are not asked for.
   * Once only. Throws GodwitError('damaged') for a state that is none, or not of a machine with these options: then
   * nothing is left of it.
   */
  begin(state: PlainData, pages: PageSource): MachineCore;
  /** It is not needed. */
  dispose(): void;
}
