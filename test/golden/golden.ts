import type { MachineCore } from '../../src/machine/core.ts';

export const MEMORY_BYTES = 4 * 1024 ** 2;
export const DISK_BYTES = 4096;
export const FILES = {
  store: 'store',
  archive: 'archive.godwit',
  recording: 'recording.rec',
  expected: 'expected.json',
} as const;

/** What every later version comes to from the files of one board version. Digests as text. */
export interface Expected {
  readonly checkpoint: {
    readonly digest: string;
    /** After `goOn`. */
    readonly endDigest: string;
    readonly endInstructions: string;
    readonly printed: string;
  };
  readonly recording: { readonly digest: string; readonly printed: string; readonly digests: number };
}

const SLICE = 10_000n;

/**
 * The machine of the checkpoint goes on with some input until its guest ends. `printed` says what it wrote meanwhile.
 */
export function goOn(core: MachineCore, printed: () => string): Omit<Expected['checkpoint'], 'digest'> {
  if (!core.acceptsEvents) core.run(core.current.branches + 1n);
  core.deliver({ kind: 'input', port: 'uart', bytes: new TextEncoder().encode('en q') });
  while (core.run(core.current.branches + SLICE).kind !== 'finished');
  return {
    endDigest: core.digest().toString(),
    endInstructions: core.instructionsRetired.toString(),
    printed: printed(),
  };
}
