/** What a godwit process says of its own memory and translated code. */
import type { MachineCore } from '../src/machine/core.ts';
import { residentFileBytesOf } from './process-usage.ts';

export interface MemorySample {
  /** On the clock of the process. */
  readonly atMs: number;
  readonly residentBytes: number;
  /** Of that, files: Node.js itself. 0 where it is not known. */
  readonly fileBytes: number;
  /** Pages of guest RAM that the guest has touched, which are resident for good. */
  readonly guestBytes: number;
  /** What V8's collector looks after in the machine's thread. */
  readonly heapBytes: number;
  readonly instructions: number;
  /** Of translated code: what is live, what was made since the start, how often the older half of it was given up. */
  readonly modules: number;
  readonly regions: number;
  readonly liveCodeBytes: number;
  readonly codeBytes: number;
  readonly evictions: number;
  readonly decodedPages: number;
  /** How many were given up since the start because there were too many. */
  readonly decodedPagesEvicted: number;
}

const PAGE_BYTES = 4096;

function touchedBytes({ ram }: MachineCore): number {
  let pages = 0;
  for (const _ of ram.presentPages()) pages++;
  return pages * PAGE_BYTES;
}

export function sampleMemory(core: MachineCore): MemorySample {
  const { rss, heapTotal } = process.memoryUsage();
  const { modules, regions, liveBytes, bytes, evictions, decodedPages, decodedPagesEvicted } = core.engine.statistics(
    core.current.address,
  );
  return {
    atMs: performance.now(),
    residentBytes: rss,
    fileBytes: residentFileBytesOf(process.pid) ?? 0,
    guestBytes: touchedBytes(core),
    heapBytes: heapTotal,
    instructions: Number(core.instructionsRetired),
    modules,
    regions,
    liveCodeBytes: liveBytes,
    codeBytes: bytes,
    evictions,
    decodedPages,
    decodedPagesEvicted,
  };
}

/** What the process needs beside the guest's RAM. */
export function beyondGuestBytes({ residentBytes, guestBytes }: MemorySample): number {
  return residentBytes - guestBytes;
}
