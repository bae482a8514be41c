import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import type { ExternalEvent } from '../../src/machine/events.ts';
import { bootImages } from '../../src/machine/linux.ts';
import type { MachineSnapshot } from '../../src/machine/machine-snapshot.ts';
import { Timeline } from '../../src/replay/timeline.ts';
import { GrowingLog } from '../../src/run/growing-log.ts';
import { ReplayRunner, stamp } from '../../src/run/replay-runner.ts';
import { echoing, sleeping, spinning } from '../api/programs.ts';
import { guestImages } from '../support/guest.ts';
import { randomNumbers } from '../support/random.ts';
import { patient, tierUnderTest } from '../support/tiers.ts';

const MIB = 1024 ** 2;
const SEEDS = process.env.GODWIT_LONG === '1' ? 60 : 8;
const FIRST_SEED = Number(process.env.GODWIT_SEED ?? 100);
const MANY_BRANCHES = 1n << 40n;
const COMMANDS = 'seq 1 300 | md5sum; sleep 0.2; ls -R /bin | md5sum; cat /proc/interrupts; sleep 0.1; echo do"ne"\r';

function bare(program: Uint8Array, output?: CoreOptions['output']): Promise<MachineCore> {
  return MachineCore.create({
    memoryBytes: 8 * MIB,
    seed: new Uint8Array(32),
    load: bootImages({ kernel: program }),
    ...(output && { output }),
  });
}

/**
 * Runs a machine as a live one is run, in slices of random lengths with random events, and says what can be followed.
 */
class Primary {
  readonly core: MachineCore;
  readonly log: GrowingLog;
  readonly digests: { readonly branches: bigint; readonly digest: bigint }[] = [];
  printed = '';
  private readonly random: (limit: number) => number;
  private typed = '';
  private mayAdvance = true;

  constructor(parent: MachineCore, snapshot: MachineSnapshot, random: (limit: number) => number) {
    this.random = random;
    const decoder = new TextDecoder();
    this.core = parent.fork(snapshot, {
      output: (_port, bytes) => {
        this.printed += decoder.decode(bytes, { stream: true });
      },
    });
    this.log = new GrowingLog(this.core.point);
  }

  get isDone(): boolean {
    return this.printed.includes('done\r\n');
  }

  run(): void {
    const { core, random } = this;
    const outcome = core.run(core.current.branches + BigInt(1 + random(40_000)));
    this.mayAdvance = true;
    if (outcome.kind === 'slice' && random(3) === 0) {
      this.digests.push({ branches: core.current.branches, digest: core.digest() });
    }
    if (outcome.kind === 'waiting') this.wait(outcome.deadline);
    else if (random(4) === 0) this.somethingArrives();
  }

  private wait(deadline: bigint | undefined): void {
    const { core, random } = this;
    if (random(3) === 0 && this.typed.length < COMMANDS.length) {
      // A hart that waits is told the time first, as a live one is.
      this.deliver({ kind: 'clock', ticks: core.ticks, rate: core.clockRate });
      this.type();
      return;
    }
    if (random(2) === 0) this.advance();
    // From here on nobody who is at this point can know how long the hart has waited.
    core.skipTo(deadline!);
    this.mayAdvance = false;
  }

  private somethingArrives(): void {
    const { core, random } = this;
    if (random(2) === 0) {
      const rate = (core.clockRate * BigInt(90 + random(20))) / 100n;
      this.deliver({ kind: 'clock', ticks: core.ticks + BigInt(random(2000)), rate });
    } else this.type();
  }

  private type(): void {
    const from = this.typed.length;
    const text = COMMANDS.slice(from, from + 1 + this.random(9));
    if (text === '') return;
    this.typed += text;
    this.deliver({ kind: 'input', port: 'uart', bytes: new TextEncoder().encode(text) });
  }

  private deliver(event: ExternalEvent): void {
    this.log.append(stamp(this.core, event));
  }

  advance(): void {
    if (this.mayAdvance) this.log.advance(this.core.point);
  }
}

/** Follows a primary, and compares every digest that it comes by. */
class Follower {
  readonly core: MachineCore;
  readonly runner: ReplayRunner;
  starved = 0;
  private readonly primary: Primary;
  private checked = 0;

  constructor(parent: MachineCore, snapshot: MachineSnapshot, primary: Primary) {
    this.primary = primary;
    this.core = parent.fork(snapshot, { output: () => {} });
    this.runner = new ReplayRunner(this.core, primary.log);
  }

  get checkedDigests(): number {
    return this.checked;
  }

  /** Goes on, and returns whether it came as far as it was asked to. */
  run(branches: bigint): boolean {
    const { core, runner } = this;
    const { digests, log } = this.primary;
    for (let due = digests[this.checked]; due && due.branches <= branches; due = digests[this.checked]) {
      if (!this.goTo(due.branches)) return false;
      expect({ branches: core.current.branches, digest: core.digest() }).toEqual(due);
      this.checked++;
    }
    const arrived = this.goTo(branches);
    if (!log.isClosed) {
      expect(core.current.branches).toBeLessThanOrEqual(log.horizon.branches);
      expect(runner.delivered).toBeLessThanOrEqual(log.length);
    }
    return arrived;
  }

  private goTo(branches: bigint): boolean {
    const { kind } = this.runner.run(branches);
    if (kind === 'starved') this.starved++;
    return kind === 'slice';
  }
}

describe('a replay of a log that grows', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;
  let booted!: MachineCore;
  let snapshot!: MachineSnapshot;

  beforeAll(async () => {
    if ('reason' in images) return;
    let printed = '';
    booted = await MachineCore.create({
      memoryBytes: 96 * MIB,
      reservedBytes: 1024 * MIB,
      seed: new Uint8Array(32).fill(5),
      load: bootImages({ ...images, bootArguments: 'console=ttyS0 quiet cryptomgr.notests' }),
      translation: { threshold: 300, ...tierUnderTest() },
      output: (_port, bytes) => {
        printed += new TextDecoder().decode(bytes);
      },
    });
    while (!printed.includes('~#')) {
      const outcome = booted.run(booted.current.branches + 500_000n);
      if (outcome.kind === 'waiting') booted.skipTo(outcome.deadline!);
    }
    snapshot = booted.snapshot();
  }, patient(120_000));
  afterAll(() => {
    snapshot?.memory.release();
    booted?.dispose();
  });

  it.skipIf(reason)(
    'never runs past what is known, and is the same machine at every digest, in any order of steps',
    () => {
      const totals = { digests: 0, starved: 0, events: 0 };
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
        const random = randomNumbers(seed);
        const primary = new Primary(booted, snapshot, random);
        const follower = new Follower(booted, snapshot, primary);
        for (let steps = 0; !primary.isDone; steps++) {
          expect(steps, `seed ${seed}`).toBeLessThan(20_000);
          const what = random(10);
          if (what < 6) primary.run();
          else if (what < 8) primary.advance();
          else follower.run(follower.core.current.branches + BigInt(1 + random(400_000)));
        }
        primary.run();
        const end = primary.core.current.branches;
        primary.log.close();
        expect(follower.run(end), `seed ${seed}`).toBe(true);
        expect(follower.checkedDigests).toBe(primary.digests.length);
        totals.digests += follower.checkedDigests;
        totals.starved += follower.starved;
        totals.events += primary.log.length;
        primary.core.dispose();
        follower.core.dispose();
      }
      console.log(`followed logs: ${JSON.stringify(totals)}`);
      expect(totals.digests).toBeGreaterThan(3 * SEEDS);
      expect(totals.starved).toBeGreaterThan(10 * SEEDS);
    },
    patient(240_000),
  );

  it('waits at the end of a log, also where the machine waits for ever, and goes on when there is more', async () => {
    const core = await bare(sleeping());
    const log = new GrowingLog(core.point);
    const runner = new ReplayRunner(core, log);
    expect(runner.run(MANY_BRANCHES)).toEqual({ kind: 'starved' });
    expect(core.current.branches).toBe(0n);
    const primary = await bare(sleeping());
    expect(primary.run(MANY_BRANCHES)).toEqual({ kind: 'waiting', deadline: undefined });
    log.advance(primary.point);
    expect(runner.run(MANY_BRANCHES)).toEqual({ kind: 'starved' });
    expect(core.digest()).toBe(primary.digest());
    expect(runner.step()).toBe('starved');
    expect(core.digest()).toBe(primary.digest());
    const { ticks, clockRate: rate } = primary;
    log.append(stamp(primary, { kind: 'clock', ticks: ticks + 1000n, rate }));
    expect(runner.run(MANY_BRANCHES)).toEqual({ kind: 'starved' });
    expect(runner.delivered).toBe(1);
    expect(core.digest()).toBe(primary.digest());
    // Nothing that is still to come could wake it.
    log.close();
    expect(() => runner.run(MANY_BRANCHES)).toThrow(/waits for something that is not in the recording/);
  });

  it('runs a busy machine exactly to the horizon', async () => {
    const core = await bare(spinning('x'));
    const log = new GrowingLog(core.point);
    const runner = new ReplayRunner(core, log);
    for (const branches of [1n, 2n, 77n, 5000n, 5001n]) {
      log.advance({ hart: 0, branches, pc: 0n });
      expect(runner.run(MANY_BRANCHES)).toEqual({ kind: 'starved' });
      expect(core.current.branches).toBe(branches);
    }
    expect(runner.run(4000n)).toEqual({ kind: 'slice' });
    log.close();
    expect(runner.run(9000n)).toEqual({ kind: 'slice' });
    expect(core.current.branches).toBe(9000n);
  });

  it('wakes who waits for more, and ends with the log', async () => {
    const shown: number[] = [];
    const core = await bare(echoing(), (_port, bytes) => shown.push(...bytes));
    const primary = await bare(echoing());
    const log = new GrowingLog(primary.point);
    const runner = new ReplayRunner(core, log);
    const follow = async () => {
      for (;;) {
        const stop = runner.run(MANY_BRANCHES);
        if (stop.kind === 'finished') return stop.finish;
        expect(stop.kind).toBe('starved');
        await log.changed();
      }
    };
    const followed = follow();
    for (const key of 'hello q') {
      primary.run(primary.current.branches + 1000n);
      log.append(stamp(primary, { kind: 'input', port: 'uart', bytes: Uint8Array.of(key.charCodeAt(0)) }));
      if (key === 'o') log.advance(primary.point);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(primary.run(MANY_BRANCHES).kind).toBe('finished');
    log.close();
    expect(await followed).toEqual({ kind: 'pass', code: 0 });
    expect(String.fromCharCode(...shown)).toBe('hello q');
    expect(core.digest()).toBe(primary.digest());
  });

  it('can go back and forth in what there is of it', async () => {
    const core = await bare(spinning('x'));
    const log = new GrowingLog(core.point);
    const timeline = new Timeline({ core, events: log, endBranches: () => log.horizon.branches });
    log.advance({ hart: 0, branches: 10_000n, pc: 0n });
    expect(timeline.runForward(MANY_BRANCHES)).toBe('end');
    expect(core.current.branches).toBe(10_000n);
    const digest = core.digest();
    expect(timeline.stepForward()).toBe('end');
    expect(timeline.seekBranches(5000n)).toBe('there');
    log.advance({ hart: 0, branches: 30_000n, pc: 0n });
    expect(timeline.seekBranches(10_000n)).toBe('there');
    expect(core.digest()).toBe(digest);
    expect(timeline.seekBranches(20_000n)).toBe('there');
    expect(core.current.branches).toBe(20_000n);
  });
});

describe('a growing log', () => {
  it('does not go back, and takes nothing when it has ended', () => {
    const log = new GrowingLog({ hart: 0, branches: 5n, pc: 0n });
    const event = { kind: 'clock', ticks: 1n, rate: 1n } as const;
    expect(() => log.append({ point: { hart: 0, branches: 4n, pc: 0n }, event })).toThrow(/does not go back/);
    log.advance({ hart: 0, branches: 9n, pc: 4n });
    expect(() => log.advance({ hart: 0, branches: 8n, pc: 0n })).toThrow(/does not go back/);
    log.append({ point: { hart: 0, branches: 9n, pc: 4n }, event });
    expect(log.at(0)).toMatchObject({ event });
    expect(log.at(1)).toBe('not yet');
    log.close();
    expect(log.at(1)).toBe('end');
    expect(() => log.advance({ hart: 0, branches: 10n, pc: 0n })).toThrow(/has ended/);
  });

  it('tells all who wait that it has grown or ended', async () => {
    const log = new GrowingLog({ hart: 0, branches: 0n, pc: 0n });
    let woken = 0;
    const waiting = [log.changed(), log.changed()].map((promise) => promise.then(() => woken++));
    await Promise.resolve();
    expect(woken).toBe(0);
    log.advance({ hart: 0, branches: 1n, pc: 0n });
    await Promise.all(waiting);
    const last = log.changed();
    log.close();
    await last;
    await log.changed();
  });
});
