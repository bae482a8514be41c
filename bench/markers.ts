/**
 * The lines that a bench program and the script that starts it print (kernels/harness.c, guest-image.ts):
 *
 *     @ready                                   the guest takes a command: NAME COUNT
 *     @start NAME
 *     @end NAME checksum=<hex> ns=<n> cpu=<n>
 *     @failed NAME STATUS
 */
export type Marker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'start'; readonly name: string }
  | {
      readonly kind: 'end';
      readonly name: string;
      readonly checksum: string;
      /** What the program measured itself, by its own clocks. */
      readonly ownWallMs: number;
      readonly ownCpuMs: number;
    }
  | { readonly kind: 'failed'; readonly name: string; readonly status: number };

const END = /@end (\S+) checksum=([0-9a-f]{16}) ns=(\d+) cpu=(\d+)/;
const START = /@start (\S+)/;
const FAILED = /@failed (\S+) (\d+)/;
const READY = /@ready$/;

/** The marker in a line of console output, which may have other text before it. */
export function parseMarker(line: string): Marker | undefined {
  const end = END.exec(line);
  if (end) {
    const [, name, checksum, ns, cpu] = end;
    return { kind: 'end', name: name!, checksum: checksum!, ownWallMs: Number(ns) / 1e6, ownCpuMs: Number(cpu) / 1e6 };
  }
  const start = START.exec(line);
  if (start) return { kind: 'start', name: start[1]! };
  const failed = FAILED.exec(line);
  if (failed) return { kind: 'failed', name: failed[1]!, status: Number(failed[2]) };
  return READY.test(line) ? { kind: 'ready' } : undefined;
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
