import { setTimeout as delay, setImmediate as nextRound } from 'node:timers/promises';
import type { HostClock, HostTimers } from '../clock.ts';

export const nodeClock: HostClock = {
  nowMs: () => performance.now(),
  epochNanoseconds: () => BigInt(Date.now()) * 1_000_000n,
};

export const nodeTimers: HostTimers = {
  later: (delayMs, action) => {
    const timer = setTimeout(action, delayMs).unref();
    return () => clearTimeout(timer);
  },
  sleep: (delayMs) => delay(delayMs),
  turn: () => nextRound(),
};
