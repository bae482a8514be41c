import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';

export interface HostDescription {
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  /** Processes that wanted a processor in the last minute, when the run began. */
  readonly load: number;
}

export function describeHost(): HostDescription {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${type()} ${release()}`,
    load: loadavg()[0]!,
  };
}
