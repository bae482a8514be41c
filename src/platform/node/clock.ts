import { setTimeout as delay } from 'node:timers/promises';
import type { HostClock, HostTimers } from '../clock.ts';

export const nodeClock: HostClock = {
  nowMs: () => performance.now(),
  epochNanoseconds: () => BigInt(Date.now()) * 1_000_000n,
};

export const nodeTimers: HostTimers = {
  later: (delayMs, action, { keepAlive = false } = {}) => {
    const timer = setTimeout(action, delayMs);
    if (!keepAlive) timer.unref();
    return () => clearTimeout(timer);
  },
  sleep: (delayMs) => delay(delayMs),
  // Between all slices of a machine: that of node:timers/promises takes half as long again.
  turn: () =>
    new Promise((resolve) => {
      setImmediate(resolve);
    }),
};
