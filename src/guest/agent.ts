import { readFileSync } from 'node:fs';

/** The agent (guest-agent/README.md), built: it lies beside `dist` in the package, and beside `src` in a checkout. */
const AGENT = new URL('../../guest-agent/godwit-agent', import.meta.url);
export const AGENT_PROGRAM = 'usr/lib/godwit/godwit-agent';

let program: Uint8Array | undefined;

export function agentProgram(): Uint8Array {
  program ??= readFileSync(AGENT);
  return program;
}
