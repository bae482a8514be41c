/** What a machine did since it was started. Counts are exact up to 2^53. */
export interface MachineStatistics {
  /** Instructions that retired. */
  readonly instructions: number;
  /** Counted transfers: backward jumps and branches, indirect jumps, traps and returns from them. */
  readonly branches: number;
  /** Milliseconds since `start`, and those of them in which the guest executed. */
  readonly wallMs: number;
  readonly busyMs: number;
  /** Guest time. */
  readonly guestMs: number;
  /** From `start` to the first byte on the console; missing as long as there is none. */
  readonly firstOutputMs?: number;
  /** Resets that the guest asked for. */
  readonly resets: number;
}

/** One line for a person. */
export function describeStatistics(statistics: MachineStatistics): string {
  const { instructions, branches, wallMs, busyMs, guestMs, firstOutputMs, resets } = statistics;
  const parts = [
    firstOutputMs === undefined ? 'no output' : `first output after ${seconds(firstOutputMs)}`,
    `ran ${seconds(wallMs)} (executing ${seconds(busyMs)}, guest time ${seconds(guestMs)})`,
    `${millions(instructions)} million instructions at ${millionsPerSecond(statistics)} million a second`,
    `${millions(branches)} million branches`,
  ];
  if (resets > 0) parts.push(`${resets} ${resets === 1 ? 'reset' : 'resets'}`);
  return parts.join(', ');
}

/** Million instructions per second of execution. */
export function millionsPerSecond({ instructions, busyMs }: MachineStatistics): string {
  return busyMs === 0 ? '0' : (instructions / busyMs / 1000).toFixed(0);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function millions(count: number): string {
  return (count / 1e6).toFixed(1);
}
