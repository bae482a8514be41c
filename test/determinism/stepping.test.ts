import { describe, expect, it } from 'vitest';
import { RTC } from '../../src/machine/boot/memory-map.ts';
import { MachineCore } from '../../src/machine/core.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { spinning } from '../api/programs.ts';

const ALARM_LOW = 0x08;
const ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10;
const ALARM_NANOSECONDS = 40_000;

/** A machine whose real-time clock has its alarm set. */
async function withAlarm(): Promise<MachineCore> {
  const core = await MachineCore.create({
    memoryBytes: 4 * 1024 ** 2,
    seed: new Uint8Array(32),
    load: bootImages({ kernel: spinning('r') }),
  });
  core.run(1n);
  const { bus } = core.board;
  bus.write(RTC.base + IRQ_ENABLED, 4, 1);
  bus.write(RTC.base + ALARM_HIGH, 4, 0);
  bus.write(RTC.base + ALARM_LOW, 4, ALARM_NANOSECONDS);
  return core;
}

describe('stepping', () => {
  it("rings the clock's alarm where running does", async () => {
    const ran = await withAlarm();
    const stepped = await withAlarm();
    let changes = 0;
    let saved = '';
    for (let branches = 2n; branches < 2000n; branches++) {
      expect(ran.run(branches).kind).toBe('slice');
      while (stepped.current.branches < branches) stepped.step();
      expect([branches, stepped.current.pc, stepped.digest()]).toEqual([branches, ran.current.pc, ran.digest()]);
      const state = JSON.stringify(ran.board.rtc.save(), (_key, value) =>
        typeof value === 'bigint' ? `${value}` : value,
      );
      if (state !== saved) changes++;
      saved = state;
    }
    // As set, and rung.
    expect(changes).toBe(2);
  });
});
