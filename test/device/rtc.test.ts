import { describe, expect, it } from 'vitest';
import { GoldfishRtc } from '../../src/device/rtc/goldfish-rtc.ts';
import { ClockDouble, damagedStates, LineDouble } from './doubles.ts';

function clockAndRtc() {
  const clock = new ClockDouble();
  const line = new LineDouble();
  return { clock, line, rtc: new GoldfishRtc({ clock, line }) };
}

function readTime(rtc: GoldfishRtc): bigint {
  const low = BigInt(rtc.read(0, 4));
  return (BigInt(rtc.read(4, 4)) << 32n) | low;
}

function setAlarm(rtc: GoldfishRtc, time: bigint): void {
  rtc.write(0xc, 4, Number(time >> 32n));
  rtc.write(0x8, 4, Number(time & 0xffff_ffffn));
}

describe('goldfish RTC', () => {
  it('reading TIME_LOW latches TIME_HIGH', () => {
    const { clock, rtc } = clockAndRtc();
    const low = BigInt(rtc.read(0, 4));
    clock.now = 1n << 40n;
    expect((BigInt(rtc.read(4, 4)) << 32n) | low).toBe(clock.epoch);
    expect(readTime(rtc)).toBe(clock.epoch + (100n << 40n));
  });

  it('keeps the time that the guest sets', () => {
    const { clock, rtc } = clockAndRtc();
    const time = 0x1122_3344_5566_7788n;
    rtc.write(4, 4, Number(time >> 32n));
    rtc.write(0, 4, Number(time & 0xffff_ffffn));
    expect(readTime(rtc)).toBe(time);
    clock.now = 10n;
    expect(readTime(rtc)).toBe(time + 1000n);
    rtc.reset();
    expect(readTime(rtc)).toBe(time + 1000n);
  });

  it('raises the alarm when it is due, not before', () => {
    const { clock, line, rtc } = clockAndRtc();
    rtc.write(0x10, 4, 1);
    setAlarm(rtc, clock.epoch + 12_345n);
    expect(rtc.read(0x18, 4)).toBe(1);
    expect(rtc.nextAlarmTicks()).toBe(124n);
    clock.now = 123n;
    rtc.tick();
    expect(line.level).toBe(false);
    clock.now = 124n;
    rtc.tick();
    expect(line.level).toBe(true);
    expect(rtc.read(0x18, 4)).toBe(0);
    expect(rtc.nextAlarmTicks()).toBeUndefined();
    rtc.write(0x1c, 4, 1);
    expect(line.level).toBe(false);
  });

  it('fires at once for a time in the past, and holds the interrupt while it is disabled', () => {
    const { clock, line, rtc } = clockAndRtc();
    setAlarm(rtc, clock.epoch - 1n);
    expect(line.level).toBe(false);
    rtc.write(0x10, 4, 1);
    expect(line.level).toBe(true);
    rtc.write(0x10, 4, 0);
    expect(line.level).toBe(false);
  });

  it('clears the alarm', () => {
    const { clock, rtc } = clockAndRtc();
    setAlarm(rtc, clock.epoch + 1000n);
    rtc.write(0x14, 4, 0);
    expect(rtc.nextAlarmTicks()).toBeUndefined();
    clock.now = 1000n;
    rtc.tick();
    rtc.write(0x10, 4, 1);
    expect(rtc.read(0x18, 4)).toBe(0);
  });

  it('moves the alarm with the time that is set', () => {
    const { clock, line, rtc } = clockAndRtc();
    rtc.write(0x10, 4, 1);
    setAlarm(rtc, clock.epoch + (1n << 40n));
    rtc.write(4, 4, Number((clock.epoch + (1n << 41n)) >> 32n));
    expect(line.level).toBe(true);
  });

  it('ignores other widths and offsets', () => {
    const { rtc } = clockAndRtc();
    rtc.write(0x10, 1, 1);
    rtc.write(0x11, 4, 1);
    expect(rtc.read(0x10, 4)).toBe(0);
    expect(rtc.read(0, 2)).toBe(0);
    expect(rtc.read(0x20, 4)).toBe(0);
  });

  it('saves and restores', () => {
    const one = clockAndRtc();
    one.rtc.write(0x10, 4, 1);
    one.rtc.write(0, 4, 77);
    setAlarm(one.rtc, 5n);
    const other = clockAndRtc();
    other.rtc.restore(one.rtc.save());
    expect(other.rtc.save()).toEqual(one.rtc.save());
    expect(other.line.level).toBe(true);
    for (const state of damagedStates(one.rtc.save())) expect(() => other.rtc.restore(state)).toThrow(/damaged/);
    expect(other.rtc.save()).toEqual(one.rtc.save());
  });
});
