import type { Watchpoint } from '../machine/debug-stops.ts';
import { parseAddress, parseCount } from './hex.ts';
import type { DebugSession } from './session.ts';

/** More than any debugger sets, and few enough to be looked through at each access. */
const BREAKPOINTS_MAXIMUM = 10_000;
const WATCHPOINTS_MAXIMUM = 1000;
const WATCHED_BYTES_MAXIMUM = 1 << 20;

const WATCH_KINDS: Readonly<Record<string, Watchpoint['kind']>> = { '2': 'write', '3': 'read', '4': 'access' };

/** The stops of one debugger, as its packets name them: `Z type,address,kind` (gdb manual, E.2). */
export class StopList {
  private readonly session: DebugSession;
  /** By their packets without the first letter; software and hardware breakpoints may stand at one address. */
  private readonly breakpoints = new Map<string, bigint>();
  private readonly watchpoints = new Map<string, Watchpoint>();

  constructor(session: DebugSession) {
    this.session = session;
  }

  /** Which kind a breakpoint there was set as. */
  kindAt(address: bigint): 'software' | 'hardware' {
    const software = [...this.breakpoints].some(([key, at]) => at === address && key.startsWith('0'));
    return software ? 'software' : 'hardware';
  }

  get description(): string[] {
    const breakpoints = [...new Set(this.breakpoints.values())].map((at) => `breakpoint 0x${at.toString(16)}`);
    const watchpoints = [...this.watchpoints.values()].map(
      ({ kind, address, bytes }) => `watchpoint 0x${address.toString(16)}, ${bytes} bytes, ${kind}`,
    );
    return [...breakpoints, ...watchpoints];
  }

  /** Carries out a `Z` or `z` packet. Doing one twice does nothing. */
  change(insert: boolean, parameters: string): string {
    const [type, addressText, countText] = parameters.split(';')[0]!.split(',');
    const address = parseAddress(addressText ?? '');
    const bytes = parseCount(countText ?? '');
    if (address === undefined || bytes === undefined) return 'E22';
    if (type === '0' || type === '1') return this.changeBreakpoint(insert, `${type},${address}`, address);
    const kind = WATCH_KINDS[type ?? ''];
    return kind ? this.changeWatchpoint(insert, { kind, address, bytes }) : '';
  }

  private changeBreakpoint(insert: boolean, key: string, address: bigint): string {
    if (insert && this.breakpoints.size >= BREAKPOINTS_MAXIMUM) return 'E28';
    if (insert) this.breakpoints.set(key, address);
    else this.breakpoints.delete(key);
    return this.apply();
  }

  private changeWatchpoint(insert: boolean, watch: Watchpoint): string {
    const key = `${watch.kind},${watch.address},${watch.bytes}`;
    if (watch.bytes === 0 || watch.bytes > WATCHED_BYTES_MAXIMUM) return 'E22';
    if (insert && this.watchpoints.size >= WATCHPOINTS_MAXIMUM) return 'E28';
    if (insert) this.watchpoints.set(key, watch);
    else this.watchpoints.delete(key);
    return this.apply();
  }

  private apply(): string {
    this.session.setStops(new Set(this.breakpoints.values()), [...this.watchpoints.values()]);
    return 'OK';
  }
}
