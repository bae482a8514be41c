import type { Bench } from '../run-context.ts';
import { ifPresent, PACKAGES } from '../run-context.ts';
import { type CheckpointFigures, measureCheckpoints, measureShell } from './checkpoints.ts';
import { measureForks } from './forks.ts';
import { measureRecording } from './recording.ts';
import type { MomentFigures } from './report.ts';
import { measureSpread } from './spread.ts';
import { measureTimeTravel } from './time-travel.ts';

/** Names on the command line. */
export const MOMENTS = ['checkpoints', 'forks', 'recording', 'time-travel'] as const;
export type Moment = (typeof MOMENTS)[number];

const MEMORY_MEBIBYTES = [64, 256, 1024, 2048];
const QUICK_MEMORY_MEBIBYTES = [64, 256];
const RESTORES = 50;
const QUICK_RESTORES = 10;
const MINUTES = 10;

type Figures = { -readonly [Name in keyof MomentFigures]: MomentFigures[Name] };

/** What is measured of moments of a machine. `scale` below 1 leaves the large ones out. */
export async function measureMoments(bench: Bench): Promise<MomentFigures> {
  const { options, progress, signal } = bench;
  const isQuick = options.scale < 1;
  const measures: Record<Moment, (figures: Figures) => Promise<void>> = {
    checkpoints: async (figures) => {
      figures.checkpoints = await measureSizes(bench, isQuick ? QUICK_MEMORY_MEBIBYTES : MEMORY_MEBIBYTES);
      progress.update({ phase: 'Checkpoints of a shell, and restoring it' });
      figures.shell = await measureShell(isQuick ? QUICK_RESTORES : RESTORES);
    },
    forks: async (figures) => {
      progress.update({ phase: 'Forks' });
      figures.forks = await measureForks();
      progress.update({ phase: 'Forks that work together' });
      figures.spread = await measureSpread();
    },
    recording: async (figures) => {
      const consequence = `Nothing is recorded; ${PACKAGES} brings it.`;
      const recording = await ifPresent(bench, consequence, () => measureRecording(bench));
      if (recording) figures.recording = recording;
    },
    'time-travel': async (figures) => {
      progress.update({ phase: 'Time travel' });
      figures.timeTravel = await measureTimeTravel(isQuick ? 1 : MINUTES);
    },
  };
  const figures: Figures = {};
  for (const moment of options.moments) {
    if (!signal.aborted) await measures[moment](figures);
  }
  return figures;
}

async function measureSizes({ progress, signal }: Bench, sizes: readonly number[]): Promise<CheckpointFigures[]> {
  const figures: CheckpointFigures[] = [];
  for (const size of sizes) {
    if (signal.aborted) break;
    progress.update({ phase: `Checkpoints of ${size} MiB` });
    figures.push(await measureCheckpoints(size));
  }
  return figures;
}
