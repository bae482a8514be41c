import { describe, expect, it } from 'vitest';
import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import type { MachineSnapshot } from '../../src/machine/machine-snapshot.ts';
import { ReplayRunner } from '../../src/run/replay-runner.ts';
import { CopiedPages } from '../support/copied-pages.ts';
import { guestImages, guestOptions } from '../support/guest.ts';

const FRAME_BYTES = 4096;
const MIB = 1024 ** 2;
/** Odd, so that it falls anywhere. */
const EVERY_BRANCHES = 2_345_679n;

describe('snapshots', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;

  const options = (): CoreOptions => guestOptions(images, { reservedBytes: 512 * MIB });

  /** Runs on without anything from outside. */
  const runTo = (core: MachineCore, branches: bigint) => new ReplayRunner(core, []).run(branches);

  it.skipIf(reason)('of a booting Linux go on as the machine itself, in the same memory and in another', async () => {
    const core = await MachineCore.create(options());
    const taken: { snapshot: MachineSnapshot; digest: bigint }[] = [];
    for (let i = 1n; i <= 8n; i++) {
      runTo(core, i * EVERY_BRANCHES);
      taken.push({ snapshot: core.snapshot(), digest: core.digest() });
    }
    const last = core.digest();
    for (const { snapshot, digest } of taken) {
      const fork = core.fork(snapshot, {});
      expect(fork.point).toEqual(snapshot.point);
      expect(fork.digest()).toBe(digest);
      runTo(fork, 8n * EVERY_BRANCHES);
      expect(fork.digest()).toBe(last);
      fork.dispose();
    }
    for (const { snapshot, digest } of [taken[1]!, taken[6]!]) {
      const restored = await MachineCore.restore(options(), snapshot.state, new CopiedPages(snapshot.memory));
      const untouched = await MachineCore.restore(options(), snapshot.state, new CopiedPages(snapshot.memory));
      expect(untouched.digest()).toBe(digest);
      runTo(restored, 8n * EVERY_BRANCHES);
      expect(restored.digest()).toBe(last);
    }
    // The machine itself has not noticed any of it.
    const alone = await MachineCore.create(options());
    for (let i = 1n; i <= 8n; i++) runTo(alone, i * EVERY_BRANCHES);
    expect(alone.digest()).toBe(last);
  });

  it.skipIf(reason)('of what was written since give all that changed', async () => {
    const core = await MachineCore.create(options());
    runTo(core, 4n * EVERY_BRANCHES);
    const first = core.snapshot();
    const written = core.ram.watchWrites();
    const before = new CopiedPages(first.memory);
    first.memory.release();
    runTo(core, 5n * EVERY_BRANCHES);
    const second = core.snapshot(written);
    const changed = new Set(second.memory.changedPages());
    expect(changed.size).toBeGreaterThan(100);
    for (let page = 0; page < core.ram.pageCount; page++) {
      if (changed.has(page)) continue;
      const frame = second.memory.frameOf(page);
      const now = frame === 0 ? new Uint8Array(FRAME_BYTES) : second.memory.bytes.subarray(frame, frame + FRAME_BYTES);
      const then = new Uint8Array(FRAME_BYTES);
      before.read(page, then);
      if (Buffer.compare(now, then) !== 0) throw new Error(`page ${page} changed and is not among those that did`);
    }
  });

  it.skipIf(reason)('of a machine that was restored know the pages that it has not touched', async () => {
    const core = await MachineCore.create(options());
    runTo(core, 5n * EVERY_BRANCHES);
    const digest = core.digest();
    const first = core.snapshot();
    const restored = await MachineCore.restore(options(), first.state, new CopiedPages(first.memory));
    const second = restored.snapshot();
    const again = await MachineCore.restore(options(), second.state, new CopiedPages(second.memory));
    expect(again.digest()).toBe(digest);
  });

  it.skipIf(reason)('hold no memory once they are released, and forks none once they are gone', async () => {
    const core = await MachineCore.create(options());
    runTo(core, 3n * EVERY_BRANCHES);
    core.digest();
    const { arena } = core.engine;
    const before = arena.frameCount;
    const snapshot = core.snapshot();
    expect(arena.frameCount - before).toBe(1);
    const forks = Array.from({ length: 50 }, () => core.fork(snapshot, {}));
    expect(arena.frameCount - before).toBe(51);
    for (const [i, fork] of forks.entries()) {
      fork.deliver({ kind: 'input', port: 'uart', bytes: new TextEncoder().encode(`echo ${i}\r`) });
      runTo(fork, fork.current.branches + 20_000n + BigInt(i) * 1000n);
    }
    expect(new Set(forks.map((fork) => fork.digest())).size).toBe(50);
    for (const fork of forks) fork.dispose();
    snapshot.memory.release();
    runTo(core, 4n * EVERY_BRANCHES);
    const alone = await MachineCore.create(options());
    runTo(alone, 3n * EVERY_BRANCHES);
    runTo(alone, 4n * EVERY_BRANCHES);
    expect(core.digest()).toBe(alone.digest());
    expect(arena.frameCount).toBe(alone.engine.arena.frameCount);
  });

  it.skipIf(reason)('refuse a damaged state with a clear error', async () => {
    const core = await MachineCore.create(options());
    runTo(core, 100_000n);
    const { state, memory } = core.snapshot();
    const pages = new CopiedPages(memory);
    const { harts } = state as { harts: { [name: string]: { [name: string]: unknown } }[] };
    const hart = harts[0]!;
    const registers = (change: object) => ({ harts: [{ ...hart, registers: { ...hart.registers, ...change } }] });
    const translations = (change: object) => ({
      harts: [{ ...hart, translations: { ...hart.translations, ...change } }],
    });
    const bad: unknown[] = [
      null,
      {},
      { ...(state as object), harts: [] },
      { ...(state as object), harts: [{}] },
      { ...(state as object), harts: [hart, hart] },
      { ...(state as object), ...registers({ values: new Uint8Array(8) }) },
      { ...(state as object), ...translations({ entries: new Uint8Array(17) }) },
      { ...(state as object), ...translations({ entries: new Uint8Array(16).fill(0x7f) }) },
      { ...(state as object), ...translations({ lastSpace: 64n }) },
      { ...(state as object), board: { plic: null } },
      { ...(state as object), entropy: { seed: 'x' } },
      { ...(state as object), epochNanoseconds: -1n },
      { ...(state as object), finish: { kind: 'party', code: 1 } },
    ];
    for (const each of bad) {
      await expect(MachineCore.restore(options(), each as never, pages)).rejects.toMatchObject({ code: 'damaged' });
    }
  });
});
