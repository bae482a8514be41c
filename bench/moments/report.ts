import { layOut } from '../report.ts';
import type { CheckpointFigures, ShellFigures } from './checkpoints.ts';
import type { Distribution } from './distribution.ts';
import type { ForkFigures } from './forks.ts';
import type { RecordingFigures } from './recording.ts';
import type { SpreadFigures } from './spread.ts';
import type { TimeTravelFigures } from './time-travel.ts';

/** What was measured of moments: checkpoints, forks, recordings, going back. */
export interface MomentFigures {
  readonly checkpoints?: readonly CheckpointFigures[];
  readonly shell?: ShellFigures;
  readonly forks?: ForkFigures;
  readonly spread?: SpreadFigures;
  readonly recording?: RecordingFigures;
  readonly timeTravel?: TimeTravelFigures;
}

const ms = (value: number): string => value.toFixed(value < 10 ? 2 : 0);
const percent = (value: number): string => `${(value * 100).toFixed(1)} %`;

export function renderMoments(figures: MomentFigures): string {
  const { checkpoints, forks, spread, recording, timeTravel } = figures;
  const parts: string[] = [];
  if (checkpoints) parts.push(renderCheckpoints(checkpoints));
  const rows = distributions(figures);
  if (rows.length > 0) parts.push(layOut([['milliseconds', 'n', 'median', 'p95', 'p99', 'most'], ...rows]));
  if (forks) {
    parts.push(`1000 forks: ${ms(forks.thousandMs)} ms, ${forks.kibibytesEach.toFixed(1)} KiB each before they run`);
  }
  if (spread) parts.push(renderSpread(spread));
  if (recording) parts.push(renderRecording(recording));
  if (timeTravel) {
    const { minutes, gigaBranches, speed, waypoints } = timeTravel;
    const replay = `replayed at ${speed.toFixed(1)} times its speed, ${waypoints} waypoints`;
    parts.push(`A recording of ${minutes} minutes, ${gigaBranches.toFixed(2)} billion branches: ${replay}`);
  }
  return parts.join('\n\n');
}

function distributions({ shell, forks, timeTravel }: MomentFigures): string[][] {
  const row = (label: string, figures: Distribution | undefined): string[][] => {
    if (!figures) return [];
    const { count, median, p95, p99, most } = figures;
    return [[label, `${count}`, ms(median), ms(p95), ms(p99), ms(most)]];
  };
  return [
    ...row('pause for a checkpoint through the library', shell?.pauseMs),
    ...row('restored shell has answered', shell?.firstOutputMs),
    ...row('restored service has answered', shell?.serviceOutputMs),
    ...row("fork of 256 MiB: parent's pause", forks?.pauseMs),
    ...row("fork of 256 MiB: child's first instruction", forks?.firstInstructionMs),
    ...row('seek anywhere', timeTravel?.seekMs),
    ...row('one instruction back, anywhere', timeTravel?.stepBackMs),
  ];
}

function renderSpread({ forks, threads, oneThreadSeconds, spreadSeconds }: SpreadFigures): string {
  const [one, many] = [oneThreadSeconds, spreadSeconds].map((seconds) => `${seconds.toFixed(2)} s`);
  const ratio = (oneThreadSeconds / spreadSeconds).toFixed(2);
  return `${forks} forks at work: ${one} in one thread, ${many} in ${threads}: ${ratio} times as fast`;
}

function renderRecording(figures: RecordingFigures): string {
  const { works, slowdown, rounds, idleBytesPerSecond, logMebibytes, busySeconds, replayedSeconds } = figures;
  const table = layOut([
    ['recorded', 'slower'],
    ...works.map((work) => [work.name, percent(work.slowdown)]),
    ['geometric mean', percent(slowdown)],
  ]);
  return [
    table,
    '',
    `Medians of ${rounds} pairs. The log of an idle guest: ${idleBytesPerSecond.toFixed(0)} bytes a second; of all: ${logMebibytes.toFixed(2)} MiB`,
    `All of it was busy for ${busySeconds.toFixed(1)} s, and is replayed in ${replayedSeconds.toFixed(1)} s`,
  ].join('\n');
}

function renderCheckpoints(checkpoints: readonly CheckpointFigures[]): string {
  return layOut([
    ['memory', 'pause ms', 'p99', 'most', 'guest slower', 'save ms', 'file MiB', 'restore ms', 'p99'],
    ...checkpoints.map(({ memoryMebibytes, pauseMs, slowdown, saveMs, fileMebibytes, restoreMs }) => [
      `${memoryMebibytes} MiB`,
      ms(pauseMs.median),
      ms(pauseMs.p99),
      ms(pauseMs.most),
      percent(slowdown),
      ms(saveMs),
      ms(fileMebibytes),
      ms(restoreMs.median),
      ms(restoreMs.p99),
    ]),
  ]);
}
