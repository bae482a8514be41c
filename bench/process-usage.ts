/** What Linux says of a running process, under /proc. Elsewhere all of it is undefined. */
import { readdirSync, readFileSync } from 'node:fs';

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Processor time of all threads that run, in milliseconds. */
export function cpuMsOf(pid: number): number | undefined {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return undefined;
  }
  let nanoseconds = 0;
  for (const thread of threads) {
    // proc(5): time on the processor and time waited for it, in nanoseconds, and the number of slices.
    const text = readText(`/proc/${pid}/task/${thread}/schedstat`);
    if (text === undefined) continue;
    nanoseconds += Number(text.split(' ')[0]);
  }
  return nanoseconds / 1e6;
}

/** A size in /proc/<pid>/status, in bytes. */
function statusBytes(pid: number, field: 'VmHWM' | 'RssFile'): number | undefined {
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readText(`/proc/${pid}/status`) ?? '')?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** The most memory that was resident, in bytes. */
export function peakResidentBytesOf(pid: number): number | undefined {
  return statusBytes(pid, 'VmHWM');
}

/** Resident memory that is a file's: programs and libraries. */
export function residentFileBytesOf(pid: number): number | undefined {
  return statusBytes(pid, 'RssFile');
}
