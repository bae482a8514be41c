import { GodwitError } from '../../src/common/errors.ts';
import { runProgram } from '../../src/guest/process.ts';
import { parseMarker } from '../markers.ts';
import { type Contender, KernelFailed, type KernelRun } from './contender.ts';

/** Runs the host's own programs. They take milliseconds, so what they measured themselves counts. */
export class NativeContender implements Contender {
  private readonly programs: ReadonlyMap<string, string>;

  constructor(programs: ReadonlyMap<string, string>) {
    this.programs = programs;
  }

  async start(): Promise<void> {}

  async run(kernel: string, repetitions: number): Promise<KernelRun> {
    const path = this.programs.get(kernel);
    if (path === undefined) throw new GodwitError('not-found', `There is no program for ${kernel}.`);
    const { status, stdout, stderr } = await runProgram(path, [String(repetitions)]);
    for (const line of stdout.split('\n')) {
      const marker = parseMarker(line);
      if (marker?.kind !== 'end') continue;
      const { checksum, ownWallMs, ownCpuMs } = marker;
      if (ownWallMs === undefined) throw new KernelFailed('it did not measure its time on the host');
      return { checksum, wallMs: ownWallMs, cpuMs: ownCpuMs, instructions: undefined };
    }
    throw new KernelFailed(`it failed on the host with status ${status}: ${stderr.trim()}`);
  }

  async stop(): Promise<void> {}
}
