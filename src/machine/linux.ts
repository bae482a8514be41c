import { type BootRequest, loadBoot, planBoot } from './boot/index.ts';
import type { MachineCore } from './core.ts';

const SEED_BYTES = 64;

export type Images = Pick<BootRequest, 'kernel' | 'initrd' | 'bios' | 'bootArguments'>;

/**
 * What `CoreOptions.load` does for images, or for what gives them each time: places them with the device tree and puts
 * the hart at the entry, in S-mode over the built-in SBI, or in M-mode when there is firmware. Throws GodwitError for
 * images that cannot be started.
 */
export function bootImages(source: Images | (() => Images)): (core: MachineCore) => void {
  return (core) => {
    const images = typeof source === 'function' ? source() : source;
    const seed = new Uint8Array(SEED_BYTES);
    core.entropy.fill(seed);
    const plan = planBoot({ ...images, ...core.board.description, memoryBytes: core.ram.sizeBytes, seed });
    loadBoot(plan, core.ram);
    const { current: hart } = core;
    hart.pc = plan.entry;
    if (plan.mode === 'supervisor') hart.enterSupervisor();
    hart.setX(10, plan.registers.a0);
    hart.setX(11, plan.registers.a1);
    hart.setX(12, plan.registers.a2);
  };
}
