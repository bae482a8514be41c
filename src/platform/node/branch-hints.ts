import { setFlagsFromString } from 'node:v8';

/** The first V8 that heeds branch hints without being asked to. */
const HEEDED_SINCE = 14;

let asked = false;

/**
 * Has V8 heed what generated modules say about their branches. It holds for the whole process, and for modules that are compiled
 * afterwards.
 */
export function heedBranchHints(): void {
  if (asked) return;
  asked = true;
  if (Number.parseInt(process.versions.v8, 10) < HEEDED_SINCE) setFlagsFromString('--experimental-wasm-branch-hinting');
}
