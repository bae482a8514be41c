import { GodwitError } from '../common/errors.ts';

/** Of Linux on RISC-V, from 1 on. */
const SIGNALS = [
  ...['HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE', 'ALRM'],
  ...['TERM', 'STKFLT', 'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'XCPU', 'XFSZ', 'VTALRM', 'PROF'],
  ...['WINCH', 'IO', 'PWR', 'SYS'],
].map((name) => `SIG${name}`);
const HIGHEST = 64;

export function signalName(number: number): string {
  return SIGNALS[number - 1] ?? `signal ${number}`;
}

/** "SIGTERM", "TERM" or 15. Throws GodwitError('usage'). */
export function signalNumber(signal: string | number): number {
  if (typeof signal === 'number' && Number.isInteger(signal) && signal >= 1 && signal <= HIGHEST) return signal;
  const name = String(signal).toUpperCase();
  const index = SIGNALS.indexOf(name.startsWith('SIG') ? name : `SIG${name}`);
  if (index >= 0) return index + 1;
  throw new GodwitError('usage', `There is no signal "${signal}".`, {
    hint: 'There are SIGTERM, SIGINT, SIGKILL, ...',
  });
}
