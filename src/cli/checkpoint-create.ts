/** `godwit checkpoint create`: of a machine that runs in another process. */
import { resolve } from 'node:path';
import type { CheckpointOptions, CheckpointReport } from '../api/checkpoint.ts';
import { formatByteSize } from '../api/index.ts';
import { isForeseen } from '../common/errors.ts';
import { type Progress, renderProgress } from '../guest/index.ts';
import type { ControlClient } from '../service/control/control-client.ts';
import type { StoreOptions } from './checkpoint-store.ts';
import { reportError } from './errors.ts';
import { withMachine } from './machines.ts';
import { writeAll } from './output.ts';
import { Signals } from './signals.ts';

export interface CreateOptions extends StoreOptions {
  readonly machine?: string;
  readonly paused?: boolean;
  readonly keepDisk?: boolean;
  readonly copyDisk?: boolean;
  readonly full?: boolean;
  readonly apart?: boolean;
  readonly json?: boolean;
}

/** Gives the exit status. */
export async function createCheckpoint(name: string | undefined, options: CreateOptions): Promise<number> {
  const { report, exitCode } = await makeCheckpoint(name, options);
  if (report) await writeAll(process.stdout, options.json ? `${JSON.stringify(report)}\n` : describe(report));
  return exitCode ?? 0;
}

export interface MadeCheckpoint {
  /** Undefined: it was given up. */
  readonly report?: CheckpointReport;
  /** Set when a signal asked the process to end. */
  readonly exitCode: number | undefined;
}

export async function makeCheckpoint(name: string | undefined, options: CreateOptions): Promise<MadeCheckpoint> {
  return await withMachine(options.machine, async (machine) => {
    // A checkpoint that nobody waits for is given up; when it is complete already it stays.
    const signals = new Signals(() => void machine.request('cancel-checkpoint', undefined).catch(() => {}));
    signals.listen();
    try {
      const report = await (options.paused
        ? whilePaused(machine, () => create(machine, name, options))
        : create(machine, name, options));
      return { report, exitCode: signals.exitCode };
    } catch (error) {
      if (signals.exitCode === undefined) throw error;
      reportError(error, false);
      return { exitCode: signals.exitCode };
    } finally {
      signals.ignore();
    }
  });
}

async function create(
  machine: ControlClient,
  name: string | undefined,
  options: CreateOptions,
): Promise<CheckpointReport> {
  const wanted: CheckpointOptions = {
    ...(name === undefined ? {} : { name }),
    ...(options.store === undefined ? {} : { store: resolve(options.store) }),
    disks: options.keepDisk ? 'keep' : 'copy',
    full: options.full ?? false,
    ...(options.apart && { apart: true }),
  };
  // Lines of a log would say nothing new.
  const progress = process.stderr.isTTY ? renderProgress(process.stderr) : undefined;
  try {
    return await machine.request('checkpoint', wanted, (done) => show(progress, done));
  } finally {
    progress?.end();
  }
}

function show(
  progress: Progress | undefined,
  done: { fileBytes: number; copiedBytes: number; toCopyBytes: number },
): void {
  const { fileBytes, copiedBytes, toCopyBytes } = done;
  const phase = `Writing the checkpoint (memory: ${formatByteSize(fileBytes)})`;
  if (toCopyBytes > 0)
    progress?.update({ phase: `${phase}, copying disks`, done: copiedBytes, total: toCopyBytes, unit: 'bytes' });
  else progress?.update({ phase });
}

/** A machine that is paused already stays so. */
async function whilePaused<T>(machine: ControlClient, action: () => Promise<T>): Promise<T> {
  const { status } = await machine.request('status', undefined);
  if (status !== 'running') return await action();
  await machine.request('pause', undefined);
  try {
    return await action();
  } finally {
    await machine.request('resume', undefined).catch((error: unknown) => {
      // It was stopped meanwhile.
      if (!isForeseen(error)) throw error;
    });
  }
}

function describe({ name, id, pauseMs, wallMs, fileBytes, restsOn }: CheckpointReport): string {
  const size = formatByteSize(fileBytes);
  const first = `${name} (${id.slice(0, 8)}): ${size} of memory in ${(wallMs / 1000).toFixed(1)} s; the machine stood still for ${pauseMs.toFixed(2)} ms.\n`;
  return first + restsOn.map(({ path, use, how }) => `  ${use} ${path}: ${HOW[how]}\n`).join('');
}

const HOW = {
  kept: 'kept, nobody is to write it any more',
  copied: 'copied',
  pinned: 'pinned, it must stay as it is',
} as const;
