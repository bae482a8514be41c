import {
  MCR_DTR,
  MCR_LOOP,
  MCR_OUT1,
  MCR_OUT2,
  MCR_RTS,
  MSR_CTS,
  MSR_DCD,
  MSR_DELTA_CTS,
  MSR_DELTA_DCD,
  MSR_DELTA_DSR,
  MSR_DSR,
  MSR_RI,
  MSR_TRAILING_EDGE_RI,
} from './registers.ts';

/**
 * The four modem input lines as MSR shows them. The other side is always there and ready (CTS, DSR, DCD); in loopback
 * mode the four modem outputs are the inputs (8.8).
 */
export function modemLines(mcr: number): number {
  if ((mcr & MCR_LOOP) === 0) return MSR_CTS | MSR_DSR | MSR_DCD;
  let lines = 0;
  if ((mcr & MCR_RTS) !== 0) lines |= MSR_CTS;
  if ((mcr & MCR_DTR) !== 0) lines |= MSR_DSR;
  if ((mcr & MCR_OUT1) !== 0) lines |= MSR_RI;
  if ((mcr & MCR_OUT2) !== 0) lines |= MSR_DCD;
  return lines;
}

/** The delta bits that a change of lines sets; RI counts only when it goes away (8.9). */
export function modemDeltas(before: number, after: number): number {
  const changed = before ^ after;
  let deltas = 0;
  if ((changed & MSR_CTS) !== 0) deltas |= MSR_DELTA_CTS;
  if ((changed & MSR_DSR) !== 0) deltas |= MSR_DELTA_DSR;
  if ((changed & MSR_DCD) !== 0) deltas |= MSR_DELTA_DCD;
  if ((changed & before & MSR_RI) !== 0) deltas |= MSR_TRAILING_EDGE_RI;
  return deltas;
}
