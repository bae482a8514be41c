/**
 * The thread in GodwitContender's child process (godwit-process.ts) that the machine runs in, as it does for users: one
 * machine, console lines to the parent, console input from it.
 */
import '../../src/platform/node/install.ts';
import { parentPort, workerData } from 'node:worker_threads';
import type { Optimization } from '../../src/execute/jit/options.ts';
import type { MachineCore } from '../../src/machine/core.ts';
import type { GuestImage } from '../guest-image.ts';
import { LineSplitter, parseMarker } from '../markers.ts';
import { type MemorySample, sampleMemory } from '../memory-sample.ts';
import type { ConsoleLine } from './console-session.ts';
import { createLiveMachine, type EngineName } from './live-machine.ts';
import { Profiler } from './profiler.ts';

export interface GodwitProcessOptions {
  readonly image: GuestImage;
  readonly engine: EngineName;
  /** Optimisations that are left out. */
  readonly without?: readonly Optimization[];
  /** Where V8's profiles of boot and kernels go. */
  readonly profileFolder: string | undefined;
  /** How often a sample of its memory is sent; undefined: never. */
  readonly sampleMs?: number;
}

/** Messages to the parent. */
export type GodwitMessage =
  | { readonly kind: 'line'; readonly line: ConsoleLine }
  | { readonly kind: 'sample'; readonly sample: MemorySample }
  | { readonly kind: 'finished'; readonly reason: string };

/** Messages from the parent. */
export type GodwitCommand = { readonly kind: 'input'; readonly text: string } | { readonly kind: 'stop' };

const port = parentPort!;

function tell(message: GodwitMessage): void {
  port.postMessage(message);
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function engineCounts({ engine, current: hart }: MachineCore): Record<string, number> {
  const { exits, ...counts } = engine.statistics(hart.address);
  const named = Object.entries(exits).map(([cause, count]) => [`exit ${cause}`, count] as const);
  return { ...counts, ...Object.fromEntries(named) };
}

/** Profiles the boot, then each kernel by itself. */
function followMarkers(profiler: Profiler, text: string): void {
  const marker = parseMarker(text);
  if (marker?.kind === 'start') profiler.start(marker.name);
  else if (marker) profiler.finish();
}

async function main(options: GodwitProcessOptions): Promise<void> {
  const lines = new LineSplitter();
  const profiler = options.profileFolder === undefined ? undefined : new Profiler(options.profileFolder);
  profiler?.start('boot');
  const machine = await createLiveMachine(
    options.image,
    options.engine,
    (bytes, core) => {
      const atMs = performance.now();
      const cpuMs = ownCpuMs();
      const instructions = Number(core.instructionsRetired);
      for (const text of lines.push(bytes)) {
        const engine = parseMarker(text) && engineCounts(core);
        tell({ kind: 'line', line: { text, atMs, cpuMs, instructions, ...(engine && { engine }) } });
        if (profiler) followMarkers(profiler, text);
      }
    },
    options.without,
  );
  const { core, runner } = machine;
  const { sampleMs } = options;
  if (sampleMs !== undefined) setInterval(() => tell({ kind: 'sample', sample: sampleMemory(core) }), sampleMs).unref();
  port.on('message', (command: GodwitCommand) => {
    if (command.kind === 'stop') runner.stop();
    else runner.input('uart', new TextEncoder().encode(command.text));
  });
  const finish = await runner.run();
  profiler?.finish();
  await machine.close();
  tell({ kind: 'finished', reason: `The guest ended (${finish?.kind ?? 'stopped'}).` });
  port.close();
}

await main(workerData as GodwitProcessOptions);
