import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MachineCore } from '../../src/machine/core.ts';
import type { DebugHit, Watchpoint } from '../../src/machine/debug-stops.ts';
import type { Outcome } from '../../src/machine/outcome.ts';
import { BareProgram, noCompiler } from './support/bare.ts';

const TIERS = [
  { name: 'interpreted', translation: { enabled: false, threshold: 0 } },
  { name: 'translated at once', translation: { enabled: true, threshold: 1 } },
  { name: 'mixed', translation: { enabled: true, threshold: 20 } },
];

interface Seen {
  readonly hit: DebugHit;
  readonly pc: bigint;
  readonly branches: bigint;
  readonly instructions: bigint;
}

/** Runs to the end over every stop, in slices of so many branches. */
function runOver(core: MachineCore, slice: bigint): Seen[] {
  const seen: Seen[] = [];
  for (;;) {
    const outcome: Outcome = core.run(core.current.branches + slice);
    if (outcome.kind === 'finished') {
      expect(outcome.finish).toEqual({ kind: 'pass', code: 0 });
      return seen;
    }
    if (outcome.kind === 'waiting') throw new Error('it waits');
    if (outcome.kind === 'slice') continue;
    const { pc, branches, instructionsRetired: instructions } = core.current;
    seen.push({ hit: outcome.hit!, pc, branches, instructions });
    expect(core.stops.pass(() => core.step()).kind).toBe('slice');
  }
}

/** Runs to the end one instruction at a time; gives what `look` gives before each. */
function stepThrough<T>(core: MachineCore, look: (core: MachineCore) => T | undefined): T[] {
  const found: T[] = [];
  for (;;) {
    const value = look(core);
    if (value !== undefined) found.push(value);
    if (core.step().kind === 'finished') return found;
  }
}

describe.skipIf(noCompiler)(`breakpoints and watchpoints${noCompiler ? ` (skipped: ${noCompiler})` : ''}`, () => {
  let program: BareProgram;
  let plain: { digest: bigint; instructions: bigint; branches: bigint };

  beforeAll(async () => {
    program = new BareProgram();
    const core = await program.create();
    runOver(core, 1_000_000n);
    plain = { digest: core.digest(), instructions: core.instructionsRetired, branches: core.current.branches };
  });
  afterAll(() => program?.remove());

  const ending = (core: MachineCore) => ({
    digest: core.digest(),
    instructions: core.instructionsRetired,
    branches: core.current.branches,
  });

  const watch = (kind: Watchpoint['kind'], symbol: string, bytes: number, offset = 0): Watchpoint => ({
    kind,
    address: program.symbol(symbol) + BigInt(offset),
    bytes,
  });

  for (const { name, translation } of TIERS) {
    describe(name, () => {
      it('stops before each visit of an instruction, at the point where stepping finds it', async () => {
        const names = ['mix', 'crossing_code', 'trap_entry', 'zero_block'];
        const addresses = names.map((symbol) => program.symbol(symbol));
        const reference = stepThrough(await program.create(), ({ current: hart }) =>
          addresses.includes(hart.pc) ? `${hart.branches} ${hart.pc} ${hart.instructionsRetired}` : undefined,
        );
        // Stepping stands at an address twice when an interrupt is taken there.
        const core = await program.create({ translation });
        core.stops.set(addresses, []);
        const seen = runOver(core, 997n);
        const places = seen.map(({ pc, branches, instructions }) => `${branches} ${pc} ${instructions}`);
        const different = places.findIndex((place, i) => place !== reference[i]);
        expect([places.length, different, places[different]]).toEqual([reference.length, -1, undefined]);
        expect(seen.length).toBeGreaterThan(200 * 64 + 400);
        expect(ending(core)).toEqual(plain);
      });

      it('stops at accesses to a range, whatever instruction makes them, and changes nothing', async () => {
        const core = await program.create({ translation });
        const watchpoints = [
          watch('write', 'counter', 8),
          watch('read', 'text', 1),
          watch('access', 'lock_word', 8),
          watch('write', 'ratio', 8),
          watch('write', 'span', 1, 4096),
          watch('write', 'victim', 8),
          watch('write', 'block', 1, 40),
        ];
        core.stops.set([], watchpoints);
        const seen = runOver(core, 1009n);
        const count = (symbol: string, offset = 0) => {
          const address = program.symbol(symbol) + BigInt(offset);
          return seen.filter(({ hit }) => core.stops.watchpointsAt(hit as never).some((w) => w.address === address))
            .length;
        };
        expect(count('counter')).toBe(400); // counter++ and counter += 0
        expect(count('text')).toBe(0); // only written
        expect(count('lock_word')).toBe(3 * 200); // amoadd, lr, sc
        expect(count('ratio')).toBe(200);
        expect(count('span', 4096)).toBe(200); // a store across pages
        expect(count('block', 40)).toBe(200); // cbo.zero
        expect(count('victim')).toBe(1);
        const victim = seen.find(({ hit }) => hit.kind === 'watchpoint' && hit.address === program.symbol('victim'));
        expect(victim!.pc).toBe(program.symbol('corrupt'));
        expect(ending(core)).toEqual(plain);
      });

      it('leaves no trace when stops come and go while the machine runs', async () => {
        const core = await program.create({ translation });
        let turn = 0;
        for (;;) {
          const on = turn % 3;
          core.stops.set(
            on === 1 ? [program.symbol('fill') + 4n, program.symbol('floats')] : [],
            on === 2 ? [watch('access', 'table', 512)] : [],
          );
          turn++;
          const outcome = core.run(core.current.branches + 700n);
          if (outcome.kind === 'finished') break;
          if (outcome.kind === 'debug') core.stops.pass(() => core.step());
        }
        expect(turn).toBeGreaterThan(20);
        expect(ending(core)).toEqual(plain);
      });
    });
  }

  it('does the same again at an instruction that was stopped before', async () => {
    const core = await program.create();
    core.stops.set([program.symbol('corrupt')], [watch('write', 'victim', 8)]);
    const first = core.run(1n << 40n);
    expect(first).toEqual({ kind: 'debug', hit: { kind: 'breakpoint', address: program.symbol('corrupt') } });
    const { point } = core;
    const digest = core.digest();
    expect(core.run(1n << 40n)).toEqual(first);
    expect(core.step()).toEqual(first);
    expect(core.point).toEqual(point);
    core.stops.set([], [watch('write', 'victim', 1)]);
    const second = core.run(1n << 40n);
    expect(second).toMatchObject({ kind: 'debug', hit: { kind: 'watchpoint', bytes: 8, writes: true, reads: false } });
    expect(core.step()).toEqual(second);
    expect(core.point).toEqual(point);
    expect(core.digest()).toBe(digest);
  });

  it('asks for nothing when there is nothing to stop at', async () => {
    const core = await program.create();
    let asked = 0;
    const count =
      <P extends unknown[], R>(f: (...p: P) => R) =>
      (...p: P) => {
        asked++;
        return f(...p);
      };
    Object.assign(core.stops, {
      access: count(core.stops.access.bind(core.stops)),
      fetch: count(core.stops.fetch.bind(core.stops)),
      watchesPage: count(core.stops.watchesPage.bind(core.stops)),
    });
    core.stops.set([program.symbol('main')], [watch('write', 'victim', 8)]);
    core.run(1n << 40n);
    expect(asked).toBeGreaterThan(0);
    core.stops.set([], []);
    asked = 0;
    expect(runOver(core, 500n)).toEqual([]);
    expect(asked).toBe(0);
    expect(ending(core)).toEqual(plain);
  });
});
