/** Boots of godwit and QEMU in turn. */
import { fileURLToPath } from 'node:url';
import { type BootCommand, type BootRun, measureBoot } from './boot.ts';
import { QEMU, qemuArguments } from './contender/qemu.ts';
import type { GuestImage } from './guest-image.ts';
import type { BootResult } from './result.ts';
import type { Bench } from './run-context.ts';

const GODWIT = fileURLToPath(new URL('../../bin/godwit', import.meta.url));

/** `godwit run` on the same files and command line as QEMU. */
function godwitArguments({ kernelPath, initrdPath, commandLine, memoryMebibytes }: GuestImage): string[] {
  const images = ['--kernel', kernelPath, '--initrd', initrdPath, '--append', commandLine];
  return ['run', '--headless', '--memory', `${memoryMebibytes}M`, ...images];
}

export async function measureBoots(bench: Bench, image: GuestImage, qemu: boolean): Promise<BootResult> {
  const { options, signal } = bench;
  const commands: Record<keyof BootResult, BootCommand | undefined> = {
    godwit: { program: GODWIT, args: godwitArguments(image) },
    qemu: qemu ? { program: QEMU, args: qemuArguments(image) } : undefined,
  };
  const result: Record<keyof BootResult, BootRun[]> = { godwit: [], qemu: [] };
  for (let run = 0; run < options.bootRuns; run++) {
    for (const name of ['godwit', 'qemu'] as const) {
      const command = commands[name];
      if (!command || signal.aborted) continue;
      bench.progress.update({ phase: `Booting ${name}, ${run + 1} of ${options.bootRuns}` });
      // Doing nothing is measured once: it takes long and hardly differs.
      const idleMs = run === 0 ? options.idleMs : 0;
      try {
        result[name].push(await measureBoot(command, idleMs, signal));
      } catch (error) {
        if (signal.aborted) break;
        bench.problems.push(`boot, ${name}: ${(error as Error).message}`);
      }
    }
  }
  return result;
}
