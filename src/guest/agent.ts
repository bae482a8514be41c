import { existsSync, readFileSync } from 'node:fs';

/**
 * The agent (guest-agent/README.md), built: it lies beside `dist` in the package, and beside `src` in a checkout. The
 * bench is compiled a folder deeper.
 */
const PLACES = ['../../guest-agent/godwit-agent', '../../../guest-agent/godwit-agent'].map(
  (path) => new URL(path, import.meta.url),
);
export const AGENT_PROGRAM = 'usr/lib/godwit/godwit-agent';

let program: Uint8Array | undefined;

export function agentProgram(): Uint8Array {
  program ??= readFileSync(PLACES.find((place) => existsSync(place)) ?? PLACES[0]!);
  return program;
}
