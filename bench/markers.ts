/**
 * The lines that a bench program and the script that starts it print (kernels/harness.c, guest-image.ts,
 * programs/run.sh):
 *
 *     @ready                                   the guest takes a command: NAME COUNT
 *     @start NAME
 *     @stop NAME [work=<bytes>]                only real programs: the time ends here;
 *                                              what runs for a time says how much it did
 *     @end NAME checksum=<hex> ns=<n> cpu=<n>  real programs leave out the last two
 *     @failed NAME STATUS
 */
export type Marker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'start'; readonly name: string }
  | { readonly kind: 'stop'; readonly name: string; readonly work: number | undefined }
  | {
      readonly kind: 'end';
      readonly name: string;
      readonly checksum: string;
      /** What the program measured itself, by its own clocks. */
      readonly ownWallMs: number | undefined;
      readonly ownCpuMs: number | undefined;
    }
  | { readonly kind: 'failed'; readonly name: string; readonly status: number };

const END = /@end (\S+) checksum=([0-9a-f]{16})(?: ns=(\d+) cpu=(\d+))?/;
const STOP = /@stop (\S+)(?: work=(\d+))?/;
const START = /@start (\S+)/;
const FAILED = /@failed (\S+) (\d+)/;
const READY = /@ready$/;

/** The marker in a line of console output, which may have other text before it. */
export function parseMarker(line: string): Marker | undefined {
  const end = END.exec(line);
  if (end) {
    const [, name, checksum, ns, cpu] = end;
    return { kind: 'end', name: name!, checksum: checksum!, ownWallMs: milliseconds(ns), ownCpuMs: milliseconds(cpu) };
  }
  const stop = STOP.exec(line);
  if (stop) return { kind: 'stop', name: stop[1]!, work: stop[2] === undefined ? undefined : Number(stop[2]) };
  const start = START.exec(line);
  if (start) return { kind: 'start', name: start[1]! };
  const failed = FAILED.exec(line);
  if (failed) return { kind: 'failed', name: failed[1]!, status: Number(failed[2]) };
  return READY.test(line) ? { kind: 'ready' } : undefined;
}

function milliseconds(nanoseconds: string | undefined): number | undefined {
  return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e6;
}

/** Cuts console output into lines, without their ends. */
export class LineSplitter {
  private readonly decoder = new TextDecoder();
  private rest = '';

  push(bytes: Uint8Array): string[] {
    const parts = (this.rest + this.decoder.decode(bytes, { stream: true })).split('\n');
    this.rest = parts.pop()!;
    return parts.map((line) => line.replace(/\r+$/, ''));
  }

  /** What came after the last line end: a prompt, for example. */
  get unfinished(): string {
    return this.rest;
  }
}
