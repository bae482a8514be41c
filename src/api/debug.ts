import { GodwitError } from '../common/errors.ts';
import { either, flag, object, optional, type Schema, text, wholeNumber } from '../common/schema.ts';

/** How debuggers come to a machine. */
export interface DebugOptions {
  /**
   * A TCP port of this computer, 0 for a free one, or the path of a unix socket. Nobody from another computer can
   * connect.
   */
  readonly listen: number | string;
  /** The machine stands from now on until a debugger has come and lets it go. Default false. */
  readonly stopped?: boolean;
}

/** Who debugs a machine. */
export interface DebuggerState {
  /** Where debuggers connect to, as gdb takes it. */
  readonly address: string;
  /** One is there, and holds the machine or lets it go. */
  readonly isConnected: boolean;
}

const PORT_LIMIT = 65_535;

/** Where debuggers come to. */
export const DEBUG_ADDRESS = either(wholeNumber(0, PORT_LIMIT), text(), 'a TCP port, or the path of a unix socket');

export const DEBUG_OPTIONS: Schema<DebugOptions> = object({ listen: DEBUG_ADDRESS, stopped: optional(flag()) });

/**
 * A port number, or else a path, as people write them. Throws GodwitError('usage') for a mere name, which is more
 * likely a mistake than a socket in this folder.
 */
export function parseDebugAddress(written: string): number | string {
  if (/^\d+$/.test(written)) return Number(written);
  if (written.includes('/')) return written;
  throw new GodwitError('usage', `"${written}" is neither a port nor a path.`, {
    hint: `A socket in this folder is written ./${written}.`,
  });
}
