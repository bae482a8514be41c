import { GodwitError } from '../common/errors.ts';

/** How debuggers come to a machine. */
export interface DebugOptions {
  /** A TCP port of this computer, 0 for a free one, or the path of a unix socket. Nobody from another computer can connect. */
  readonly listen: number | string;
  /** The machine stands from now on until a debugger has come and lets it go. Default false. */
  readonly stopped?: boolean;
}

const PORT_LIMIT = 65_535;

/** Throws GodwitError('usage'). */
export function checkDebugOptions({ listen }: DebugOptions): void {
  if (typeof listen === 'number' && Number.isInteger(listen) && listen >= 0 && listen <= PORT_LIMIT) return;
  if (typeof listen === 'string' && listen !== '') return;
  throw new GodwitError('usage', `Debuggers cannot connect to ${JSON.stringify(listen)}.`, {
    hint: 'Give a TCP port, or the path of a unix socket.',
  });
}

/** A port number, or else a path, as people write them. */
export function parseDebugAddress(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}
