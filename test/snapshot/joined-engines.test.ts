/**
 * Machines of one memory in several engines, as threads have one each: here in one thread, in an order that a seed
 * chooses. Each pair of forks of one moment, wherever they run, must do the same.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MachineCore } from '../../src/machine/core.ts';
import { joinEngine } from '../../src/machine/core-engine.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import type { Engine } from '../../src/machine/engine.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { LOCK_WORDS, MemoryLock } from '../../src/memory/lock.ts';
import { FrameSnapshot } from '../../src/memory/snapshot.ts';
import { ReplayRunner } from '../../src/run/replay-runner.ts';
import { assemble } from '../jit/assembly.ts';
import { CALLS_NEXT_PAGE, NEXT_PAGE, programMachine } from '../jit/program.ts';
import { guestImages } from '../support/guest.ts';
import { randomNumbers } from '../support/random.ts';
import { patient, tierUnderTest } from '../support/tiers.ts';

const MIB = 1024 ** 2;
const SLICE_BRANCHES = 100_000n;
const SEEDS = [1, 2];
const STEPS = 40;
const ENGINES = 3;
const MOST_PAIRS = 5;
/** Programs that come and go in the same frames, and a kernel that changes its own code. */
const COMMANDS = [
  'ls -l /proc | sort | tail -n 3; echo $((6*7))',
  'for i in 1 2 3 4 5; do cat /proc/uptime | wc -c; done',
  'dd if=/dev/zero of=/tmp/x bs=4k count=200 2>/dev/null; md5sum /tmp/x; rm /tmp/x',
  'modprobe -r virtio_rng; modprobe virtio_rng; lsmod | head -n 3',
  'sh -c "exec sh -c \'exec uname -a\'"; dmesg | tail -n 2 | md5sum',
];

const images = await guestImages();
const reason = 'reason' in images ? images.reason : undefined;

/** Without anything from outside. */
function runOn(core: MachineCore, branches: bigint): void {
  new ReplayRunner(core, []).run(core.current.branches + branches);
}

describe('code that is written between forks', () => {
  const CALLS = 20_000n;
  const adding = (adds: number) => assemble(`addi a0,a0,${adds}\n jalr zero,0(ra)`).bytes;

  it.each([1, 2500])('runs as it is now in every engine (translated after %i visits)', async (threshold) => {
    const translation = { threshold };
    const root = await programMachine(CALLS_NEXT_PAGE, { translation, shared: true, reservedBytes: 256 * MIB });
    const { arena } = root.engine;
    const word = new Int32Array(new SharedArrayBuffer(4 * LOCK_WORDS));
    arena.shareBy(new MemoryLock(word, 0));
    const other = await joinEngine({ memory: arena.memory, lock: new MemoryLock(word, 1) }, { translation });
    const options = { memoryBytes: root.ram.sizeBytes, seed: new Uint8Array(32), load: () => {} };
    for (let adds = 1; adds <= 20; adds++) {
      // The root is the last that has the frame, or gets one that was given back: it writes there, and only its own
      // engine sees it.
      root.ram.copyIn(NEXT_PAGE, adding(adds));
      const snapshot = root.snapshot();
      const handed = snapshot.memory.handOver();
      const memory = FrameSnapshot.of(other.arena, handed, undefined);
      const fork = MachineCore.adopt(other, options, { state: snapshot.state, memory });
      memory.release();
      const before = fork.current.x(10);
      fork.run(fork.current.branches + CALLS);
      // Two calls are four counted transfers: the indirect one, both returns, and the jump back.
      const calls = (fork.current.x(10) - before) / BigInt(adds);
      expect((fork.current.x(10) - before) % BigInt(adds)).toBe(0n);
      expect(Number(calls)).toBeGreaterThan(Number(CALLS) / 4);
      root.run(root.current.branches + CALLS);
      expect(fork.digest()).toBe(root.digest());
      fork.dispose();
    }
  });
});

describe.skipIf(reason)('machines of one memory in several engines', () => {
  const engines: Engine[] = [];
  let root: MachineCore;
  let options: CoreOptions;

  beforeAll(async () => {
    if ('reason' in images) return;
    let shown = '';
    options = {
      memoryBytes: 96 * MIB,
      reservedBytes: 1024 * MIB,
      seed: new Uint8Array(32).fill(9),
      shared: true,
      load: bootImages({ ...images, bootArguments: 'console=ttyS0 quiet cryptomgr.notests' }),
      translation: { threshold: 300, ...tierUnderTest() },
    };
    root = await MachineCore.create({
      ...options,
      output: (_port, bytes) => {
        shown += new TextDecoder().decode(bytes);
      },
    });
    while (!shown.includes('~# ')) runOn(root, SLICE_BRANCHES);
    const word = new Int32Array(new SharedArrayBuffer(4 * LOCK_WORDS));
    const { arena } = root.engine;
    arena.shareBy(new MemoryLock(word, 0));
    engines.push(root.engine);
    for (let i = 1; i < ENGINES; i++) {
      engines.push(await joinEngine({ memory: arena.memory, lock: new MemoryLock(word, i) }, options));
    }
  });

  afterAll(() => root?.dispose());

  /** Both take the snapshot's place, each in an engine. */
  function pairOf(parent: MachineCore, places: readonly [number, number]): [MachineCore, MachineCore] {
    const snapshot = parent.snapshot();
    const { state } = snapshot;
    const handed = snapshot.memory.handOver();
    const one = (place: number): MachineCore => {
      const engine = engines[place]!;
      return MachineCore.adopt(engine, options, { state, memory: FrameSnapshot.of(engine.arena, handed, undefined) });
    };
    const pair: [MachineCore, MachineCore] = [one(places[0]), one(places[1])];
    FrameSnapshot.of(engines[places[0]]!.arena, handed, undefined).release();
    return pair;
  }

  it.each(SEEDS)(
    'do the same wherever they run (seed %i)',
    (seed) => {
      const random = randomNumbers(seed);
      const { arena } = root.engine;
      root.digest();
      const framesBefore = arena.frameCount;
      const pairs: [MachineCore, MachineCore][] = [];
      for (let step = 0; step < STEPS; step++) {
        if (pairs.length < MOST_PAIRS) {
          const parent = pairs.length === 0 ? root : pairs[random(pairs.length)]![random(2)]!;
          pairs.push(pairOf(parent, [random(ENGINES), random(ENGINES)]));
        }
        const index = random(pairs.length);
        const pair = pairs[index]!;
        const text = `${COMMANDS[random(COMMANDS.length)]}\r`;
        const branches = SLICE_BRANCHES * BigInt(1 + random(4));
        for (const core of pair) {
          if (core.inputSpace('uart') > 0)
            core.deliver({ kind: 'input', port: 'uart', bytes: new TextEncoder().encode(text).slice(0, 16) });
          runOn(core, branches);
          if (core.inputSpace('uart') > 0)
            core.deliver({ kind: 'input', port: 'uart', bytes: new TextEncoder().encode(text).slice(16) });
          runOn(core, branches);
        }
        expect(pair[0].point, `step ${step}`).toEqual(pair[1].point);
        if (random(3) === 0) expect(pair[0].digest(), `step ${step}`).toBe(pair[1].digest());
        if (random(4) === 0) for (const core of pairs.splice(index, 1)[0]!) core.dispose();
      }
      for (const [one, other] of pairs) expect(one.digest()).toBe(other.digest());
      for (const core of pairs.flat()) core.dispose();
      // Nothing is lost, whoever gave it back. What the root reads now it reads from frames of its own.
      expect(arena.frameCount).toBe(framesBefore);
    },
    patient(60_000),
  );
});
