/**
 * A machine that was away, for any time and at any moment of its life: its real-time clock is right, its intervals are
 * true, and its kernel notices nothing.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlockSubmission } from '../../src/device/virtio/block/backend.ts';
import type { DiskDescription } from '../../src/machine/board.ts';
import { MachineCore } from '../../src/machine/core.ts';
import type { MachineSnapshot } from '../../src/machine/machine-snapshot.ts';
import { LiveRunner } from '../../src/run/live-runner.ts';
import type { ClockMode } from '../../src/run/wall-time.ts';
import { guestImages, guestOptions } from '../support/guest.ts';
import { SimulatedHost } from '../support/simulated-host.ts';
import { patient } from '../support/tiers.ts';

const EPOCH = 1_800_000_000n * 1_000_000_000n;
const SECOND = 1_000_000_000n;
const HOUR = 3600n * SECOND;
const DAY = 24n * HOUR;

const AGES: readonly (readonly [string, bigint])[] = [
  ['half a second', SECOND / 2n],
  ['a second and a half', (3n * SECOND) / 2n],
  ['25 seconds', 25n * SECOND],
  ['three quarters of an hour', (3n * HOUR) / 4n],
  ['a day', DAY],
  ['30 days', 30n * DAY],
  ['ten years', 3652n * DAY],
  ['an hour back', -HOUR],
];

/** What is going on, by what is typed, and how far it goes before the machine is kept. */
const WORK: readonly (readonly [string, string, bigint])[] = [
  ['at its prompt', '', 10n],
  ['in a sleep', 'sleep 2', 500n],
  ['in a loop', '(while :; do :; done) &', 700n],
  ['while it starts programs', '(while :; do /bin/true; done) &', 700n],
  ['while it waits for RCU', 'mkdir -p /m; (while :; do mount -t tmpfs m /m; umount /m; done) &', 900n],
  ['while it loads modules', '(while :; do modprobe ext4; rmmod ext4 jbd2 mbcache; done) &', 900n],
  ['while it reads a disk', '(while :; do dd if=/dev/vda of=/dev/null bs=64k; done) 2>/dev/null &', 900n],
];
const BOOT_MOMENTS = [200n, 4000n];

const COMPLAINT = /lockup|stall|blocked for more|clocksource.*(unstable|skew|wrong)|hung task/i;
const DISK_BYTES = 1024 ** 2;
const DISK_MS = 8;

/** A guest in simulated time, with a disk that takes its time. */
class Guest {
  readonly core: MachineCore;
  readonly host: SimulatedHost;
  printed = '';
  /** For so long nothing happens in the midst of the next slice. */
  stallMs = 0;
  private runner: LiveRunner | undefined;

  private constructor(make: (guest: Guest) => MachineCore, host: SimulatedHost) {
    this.host = host;
    this.core = make(this);
    host.follow(this.core);
  }

  static async boot(images: Awaited<ReturnType<typeof guestImages>>): Promise<Guest> {
    let late: Guest | undefined;
    const core = await MachineCore.create({
      ...guestOptions(images, { reservedBytes: 1024 ** 3, epochNanoseconds: EPOCH }),
      output: (_port, bytes) => late?.print(bytes),
      disks: [Guest.disk(() => late!)],
    });
    late = new Guest(() => core, new SimulatedHost(EPOCH));
    return late;
  }

  /** Goes on from `snapshot` when so many nanoseconds have passed. */
  static awakened(of: Guest, snapshot: MachineSnapshot, nanoseconds: bigint): Guest {
    let late: Guest | undefined;
    const then = of.core.clock.epochNanoseconds() + (ticksOf(snapshot, of) - of.core.ticks) * 100n;
    const make = () =>
      of.core.fork(snapshot, {
        output: (_port, bytes) => late?.print(bytes),
        disks: [Guest.disk(() => late!)],
      });
    late = new Guest(make, new SimulatedHost(then + nanoseconds));
    for (const request of late.core.board.disks[0]!.pendingRequests()) late.serve(request);
    return late;
  }

  private static disk(guest: () => Guest): DiskDescription {
    const backend = { submit: (request: BlockSubmission) => guest().serve(request), fence: () => {} };
    return { sizeBytes: DISK_BYTES, readonly: false, serial: 'slow', backend };
  }

  private serve(request: BlockSubmission): void {
    const data = request.kind === 'read' ? [new Uint8Array(request.length)] : [];
    this.host.later(DISK_MS, () => this.runner?.completeBlock(0, request.id, { status: 'ok', data }));
  }

  private print(bytes: Uint8Array): void {
    this.printed += new TextDecoder('latin1').decode(bytes);
  }

  /** Lives until `isDone`, in simulated time. */
  async live(mode: ClockMode, limitMs: number, isDone: () => boolean): Promise<void> {
    const { host, core } = this;
    const runner = new LiveRunner(core, host, host);
    this.runner = runner;
    runner.execute = (branches) => {
      host.standStill(this.stallMs);
      this.stallMs = 0;
      return core.run(branches);
    };
    runner.followWall(mode);
    const endMs = host.nowMs() + limitMs;
    host.onTurn = () => {
      if (isDone()) runner.stop();
      else if (host.nowMs() > endMs) {
        runner.stop();
        throw new Error(`not done after ${limitMs} ms: ${this.printed.slice(-500)}`);
      }
    };
    await runner.run();
  }

  type(text: string): void {
    this.host.later(0, () => this.runner!.input('uart', new TextEncoder().encode(text)));
  }

  /** What a command prints. */
  async ask(mode: ClockMode, command: string): Promise<string> {
    const from = this.printed.length;
    this.type(`${command}; echo e''nd.\r`);
    await this.live(mode, 60_000, () => this.printed.indexOf('\nend.', from) >= 0);
    return this.printed.slice(from);
  }
}

function ticksOf(snapshot: MachineSnapshot, guest: Guest): bigint {
  const fork = guest.core.fork(snapshot, {});
  const { ticks } = fork;
  fork.dispose();
  return ticks;
}

interface Moment {
  readonly name: string;
  readonly boots: boolean;
  readonly of: Guest;
  readonly snapshot: MachineSnapshot;
}

const images = await guestImages();
const reason = 'reason' in images ? images.reason : undefined;
const names = [...BOOT_MOMENTS.map((ms) => `after ${ms} ms of its boot`), ...WORK.map(([name]) => name)];

describe.skipIf(reason)(`a machine that was away${reason ? ` (skipped: ${reason})` : ''}`, () => {
  const moments = new Map<string, Moment>();

  beforeAll(async () => {
    const parent = await Guest.boot(images);
    const keep = (name: string, guest: Guest, boots: boolean): void => {
      moments.set(name, { name, boots, of: guest, snapshot: guest.core.snapshot() });
    };
    for (const ms of BOOT_MOMENTS) {
      await parent.live('keep', 60_000, () => parent.host.nowMs() >= Number(ms));
      keep(`after ${ms} ms of its boot`, parent, true);
    }
    await parent.live('keep', 120_000, () => parent.printed.includes('~# '));
    const shell = parent.core.snapshot();
    for (const [name, command, ms] of WORK) {
      const guest = Guest.awakened(parent, shell, 0n);
      if (command) guest.type(`${command}\r`);
      const endMs = guest.host.nowMs() + Number(ms);
      await guest.live('keep', 60_000, () => guest.host.nowMs() >= endMs);
      keep(name, guest, false);
    }
  }, patient(300_000));
  afterAll(() => {
    for (const { snapshot } of moments.values()) snapshot.memory.release();
  });

  describe.each(AGES)('for %s', (_age, nanoseconds) => {
    it.each(names)(
      'is on time: %s',
      async (name) => {
        const { of, snapshot, boots } = moments.get(name)!;
        const guest = Guest.awakened(of, snapshot, nanoseconds);
        const { core, host } = guest;
        const before = { ticks: core.ticks, ms: host.nowMs() };
        if (boots) await guest.live('follow', 120_000, () => guest.printed.includes('~# '));
        const answer = await guest.ask(
          'follow',
          `read a b </proc/uptime; sleep 1; read c d </proc/uptime; read r </sys/class/rtc/rtc0/since_epoch; ` +
            `echo up $a $c rtc $r.`,
        );
        const wall = host.epochNanoseconds();
        const elapsed = { ms: host.nowMs() - before.ms, guestMs: Number(core.ticks - before.ticks) / 10_000 };
        const [, from, to, rtc] = /\nup ([\d.]+) ([\d.]+) rtc (\d+)\./.exec(answer)!.map(Number);
        expect(Math.abs(Number(wall / SECOND) - rtc!), 'its real-time clock').toBeLessThanOrEqual(1);
        expect(to! - from!, 'a second of sleep').toBeGreaterThanOrEqual(1);
        expect(to! - from!, 'a second of sleep').toBeLessThan(1.9);
        // A short absence is made up for; no other is seen by monotonic time.
        const caughtUpMs = nanoseconds > 0n && nanoseconds <= SECOND ? Number(nanoseconds) / 1e6 : 0;
        expect(Math.abs(elapsed.guestMs - elapsed.ms - caughtUpMs), 'its monotonic time').toBeLessThan(100);
        const log = await guest.ask('follow', 'dmesg | tail -n 40');
        expect(guest.printed + log).not.toMatch(COMPLAINT);
        core.dispose();
      },
      patient(60_000),
    );
  });

  it(
    'comes forward in steps when it rests, if that is wanted',
    async () => {
      const { of, snapshot } = moments.get('at its prompt')!;
      const guest = Guest.awakened(of, snapshot, 3n * DAY);
      const { core, host } = guest;
      await guest.live('steps', 20_000, () => host.epochNanoseconds() - core.clock.epochNanoseconds() < SECOND / 5n);
      const answer = await guest.ask('steps', 'echo now $(date +%s). $(dmesg | tail -n 40)');
      const seconds = Number(/now (\d+)\./.exec(answer)![1]);
      expect(Math.abs(Number(host.epochNanoseconds() / SECOND) - seconds)).toBeLessThanOrEqual(1);
      expect(guest.printed).not.toMatch(COMPLAINT);
      core.dispose();
    },
    patient(120_000),
  );

  it.each([
    ['between two slices', 'in a loop'],
    ['in the midst of a slice', 'in a loop'],
    ['in the midst of a slice', 'at its prompt'],
  ])(
    'keeps true intervals when its process or host stands still: %s, %s',
    async (when, name) => {
      const { of, snapshot } = moments.get(name)!;
      const guest = Guest.awakened(of, snapshot, 0n);
      const { core, host } = guest;
      await guest.ask('follow', 'true');
      const before = core.ticks;
      if (when === 'between two slices') host.standStill(40_000);
      else guest.stallMs = 40_000;
      const answer = await guest.ask(
        'follow',
        'read r </sys/class/rtc/rtc0/since_epoch; echo rtc $r. $(dmesg | tail -n 40)',
      );
      expect(Number(core.ticks - before) / 10_000).toBeLessThan(20_000);
      expect(Math.abs(Number(host.epochNanoseconds() / SECOND) - Number(/rtc (\d+)\./.exec(answer)![1]))).toBeLessThan(
        2,
      );
      expect(guest.printed).not.toMatch(COMPLAINT);
      core.dispose();
    },
    patient(60_000),
  );
});
