/**
 * Going on and going back, in a session without a protocol: every stop is compared with what stepping through finds.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayTarget } from '../../src/debug/replay-target.ts';
import { DebugSession } from '../../src/debug/session.ts';
import type { Resume, Stop } from '../../src/debug/stop.ts';
import type { MachineCore } from '../../src/machine/core.ts';
import type { Watchpoint } from '../../src/machine/debug-stops.ts';
import type { ExecutionPoint } from '../../src/machine/execution-point.ts';
import { Timeline } from '../../src/replay/timeline.ts';
import { MachineLoop } from '../../src/service/machine/machine-loop.ts';
import { randomNumbers } from '../support/random.ts';
import { BareProgram, noCompiler } from './support/bare.ts';

const SEED = Number(process.env.GODWIT_SEED ?? 20_270_118);
const MOVES = 160;

const text = ({ branches, pc }: ExecutionPoint): string => `${branches} 0x${pc.toString(16)}`;

/** Everything that stepping through a program finds. */
interface Reference {
  /** Places in order. */
  readonly places: readonly string[];
  readonly index: ReadonlyMap<string, number>;
  /** By index of the place before the instruction: the value of the watched word after it, where that changed. */
  readonly changes: ReadonlyMap<number, bigint>;
  readonly pcs: readonly bigint[];
}

function stepThrough(core: MachineCore, watched: bigint): Reference {
  const places: string[] = [];
  const pcs: bigint[] = [];
  const changes = new Map<number, bigint>();
  let value = core.ram.readU64(watched)!;
  for (;;) {
    places.push(text(core.point));
    pcs.push(core.current.pc);
    if (core.step().kind === 'finished') {
      // It ends where running it would end.
      places.push(text(core.point));
      pcs.push(core.current.pc);
      break;
    }
    const now = core.ram.readU64(watched)!;
    if (now !== value) changes.set(places.length - 1, now);
    value = now;
  }
  return { places, pcs, changes, index: new Map(places.map((place, i) => [place, i])) };
}

describe.skipIf(noCompiler)(`a session (GODWIT_SEED=${SEED})${noCompiler ? ` (skipped: ${noCompiler})` : ''}`, () => {
  let program: BareProgram;
  let reference: Reference;
  let watched: bigint;
  let endBranches: bigint;

  beforeAll(async () => {
    program = new BareProgram();
    watched = program.symbol('lock_word');
    const core = await program.create();
    reference = stepThrough(core, watched);
    endBranches = core.current.branches;
  });
  afterAll(() => program?.remove());

  const open = async () => {
    const timeline = new Timeline({ core: await program.create(), events: [], endBranches });
    const waiting: ((stop: Stop) => void)[] = [];
    const target = replayTarget({
      timeline,
      loop: new MachineLoop(),
      kill: () => {},
      failed: (error) => {
        throw error;
      },
    });
    const session = new DebugSession(target, (stop) => waiting.shift()!(stop));
    const next = () => new Promise<Stop>((resolve) => waiting.push(resolve));
    return {
      session,
      timeline,
      goOn: (resume: Resume) => {
        const stop = next();
        session.goOn(resume);
        return stop;
      },
      goBack: async (kind: 'step' | 'continue') => {
        const stop = next();
        await session.goBack(kind);
        return await stop;
      },
      here: () => reference.index.get(text(timeline.point))!,
    };
  };

  it('stops where stepping says it must, forth and back, from wherever it is', async () => {
    const random = randomNumbers(SEED);
    const { session, timeline, goOn, goBack, here } = await open();
    const breakpoints = new Set(
      ['crossing_code', 'trap_entry', 'timer', 'corrupt'].map((name) => program.symbol(name)),
    );
    const watch: Watchpoint = { kind: 'write', address: watched, bytes: 8 };
    const isBreak = (i: number) => breakpoints.has(reference.pcs[i]!);
    // History ends at a counted transfer.
    const last = reference.places.findIndex((place) => place.startsWith(`${endBranches} `));
    let told: { at: number; forward: boolean } | undefined;
    for (let move = 0; move < MOVES; move++) {
      const withBreakpoints = random(2) === 0;
      const withWatch = random(2) === 0;
      session.setStops(withBreakpoints ? breakpoints : new Set(), withWatch ? [watch] : []);
      if (random(12) === 0) {
        const to = random(last);
        const [branches, pc] = reference.places[to]!.split(' ');
        session.target.core.stops.pass(() => timeline.seek({ hart: 0, branches: BigInt(branches!), pc: BigInt(pc!) }));
      }
      const from = here();
      const kind = ['continue', 'step', 'back', 'step back'][random(4)]!;
      const breaksAt = (i: number) => withBreakpoints && isBreak(i);
      const changesAt = (i: number) => withWatch && reference.changes.has(i);
      let expected: [number, Stop['kind']];
      let stop: Stop;
      const isTold = (forward: boolean) => told?.at === from && told.forward === forward;
      if (kind === 'continue') {
        let i = from;
        const stopsAt = (at: number) =>
          (at > from && breaksAt(at)) || (changesAt(at) && !(at === from && isTold(true)));
        while (i < last && !stopsAt(i)) i++;
        if (i >= last) expected = [last, 'history'];
        else expected = [i, i > from && breaksAt(i) ? 'breakpoint' : 'watchpoint'];
        stop = await goOn({ kind: 'continue' });
      } else if (kind === 'step') {
        if (from >= last) expected = [last, 'history'];
        else if (changesAt(from) && !isTold(true)) expected = [from, 'watchpoint'];
        else expected = [from + 1, from + 1 === last ? 'history' : 'step'];
        stop = await goOn({ kind: 'step' });
      } else if (kind === 'back') {
        let i = from;
        const stopsAt = (at: number) =>
          (at < from && breaksAt(at)) || (changesAt(at - 1) && !(at === from && isTold(false)));
        while (i > 0 && !stopsAt(i)) i--;
        // An access is told in front of it on the way: behind its instruction.
        if (i === 0 && !breaksAt(0)) expected = [0, 'history'];
        else expected = [i, i < from && breaksAt(i) ? 'breakpoint' : 'watchpoint'];
        stop = await goBack('continue');
      } else {
        expected = from === 0 ? [0, 'history'] : [from - 1, 'step'];
        stop = await goBack('step');
      }
      told = stop.kind === 'watchpoint' ? { at: here(), forward: !kind.includes('back') } : undefined;
      expect([move, kind, here(), stop.kind]).toEqual([move, kind, ...expected]);
    }
    session.end();
    timeline.dispose();
  });

  it('steps while pc is in a range, and stops there at a breakpoint', async () => {
    const { session, goOn, here } = await open();
    const start = program.symbol('fill');
    session.setStops(new Set([start]), []);
    await goOn({ kind: 'continue' });
    const from = here();
    let i = from + 1;
    while (reference.pcs[i]! >= start && reference.pcs[i]! < start + 0x20n) i++;
    expect(await goOn({ kind: 'range', start, end: start + 0x20n })).toEqual({ kind: 'step' });
    expect(here()).toBe(i);
    const inside = reference.pcs[i + 3]!;
    session.setStops(new Set([inside]), []);
    expect(await goOn({ kind: 'range', start: 0n, end: 1n << 63n })).toEqual({ kind: 'breakpoint', address: inside });
    expect(here()).toBe(i + 3);
    session.end();
  });

  it('is interrupted while it goes back', async () => {
    const { session, goOn, goBack, timeline } = await open();
    await goOn({ kind: 'continue' });
    const stop = goBack('continue');
    session.interrupt();
    // One stretch may be all of history.
    expect(['interrupt', 'history']).toContain((await stop).kind);
    expect(session.running).toBe(false);
    timeline.dispose();
  });
});
