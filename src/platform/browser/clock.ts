import type { HostClock, HostTimers } from '../clock.ts';

export const browserClock: HostClock = {
  nowMs: () => performance.now(),
  epochNanoseconds: () => BigInt(Date.now()) * 1_000_000n,
};

/** Timers are held to 4 ms once they follow one another; a message comes after microseconds. */
const turns = new MessageChannel();
const waiting: (() => void)[] = [];
turns.port1.onmessage = () => waiting.shift()?.();

export const browserTimers: HostTimers = {
  later: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
  sleep: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
  turn: () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      turns.port2.postMessage(undefined);
    }),
};
