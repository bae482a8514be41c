import type { MachineConfiguration, RestoreConfiguration } from '../../api/options.ts';
import { createDisk } from '../../backend/disk/live/open-disk.ts';
import type { ShareBackend } from '../../device/virtio/9p/backend.ts';
import type { BlockBackend } from '../../device/virtio/block/backend.ts';
import { MachineCore } from '../../machine/core.ts';
import { type CoreOptions, type ForkOptions, forkOptionsOf } from '../../machine/core-options.ts';
import { MACHINE_INTERPRETER, provideInterpreter } from '../../machine/interpreter-module.ts';
import { MEMORY_LIMIT_BYTES } from '../../memory/arena.ts';
import type { PageSource } from '../../memory/page-source.ts';
import { platform } from '../../platform/platform.ts';
import type { HostLoop } from '../../run/host-loop.ts';
import { freshIdentityEvents } from '../../run/identity.ts';
import { LiveRunner } from '../../run/live-runner.ts';
import { readMachine } from '../checkpoint/checkpointed-machine.ts';
import { CheckpointStore, type OpenCheckpoint } from '../checkpoint/store/store.ts';
import { LateCompiler } from '../compile/late-compiler.ts';
import { MachineDisks } from '../disk/machine-disks.ts';

/** For a thread that waits for its machine. */
export interface WarmUp {
  /** What the process restored last. */
  readonly request: RestoreConfiguration;
  readonly interpreter: WebAssembly.Module;
}

/** After that much of the guest's work nearly all that a restored machine does first has been done. */
const MAXIMUM_BUSY_MS = 250;
/** A guest that rests longer than this in all has nothing to do any more. */
const MAXIMUM_REST_MS = 60;
const SMALL_DISK_BYTES = 1024 ** 2;
/** Less than a millisecond. */
const STEP_PAGES = 64;
const NEVER_ANSWERS: BlockBackend = { submit: () => {}, fence: () => {} };
const NEVER_REPLIES: ShareBackend = { submit: () => {}, delivered: () => {}, fence: () => {} };
const RETURN_KEY = Uint8Array.of(13);

/** Whether somebody wants the thread for a machine now. */
type IsWanted = () => boolean;

interface Restored {
  readonly checkpoint: string;
  readonly translation: MachineConfiguration['translation'];
  /** It never runs. */
  readonly core: MachineCore;
  readonly pages: PageSource;
  readonly compiler: LateCompiler;
}

let waiting: Restored | undefined;

/**
 * Restores the machine that will probably be wanted next, lets a fork of it work for a moment, and throws the fork
 * away. What is left is a machine whose first pages are there and decoded, and code of ours that V8 has compiled, which
 * it does anew in each thread. The fork has no disks, nobody sees what it prints, and nothing is written. Ends early
 * when the thread `isWanted`, with what is done so far.
 */
export async function warmUp({ request, interpreter }: WarmUp, isWanted: IsWanted): Promise<void> {
  provideInterpreter(MACHINE_INTERPRETER, interpreter);
  try {
    const restored = await restore(request);
    if (isWanted()) restored.pages.close();
    else {
      waiting = restored;
      await runThrowawayFork(restored, isWanted);
    }
  } catch {
    // If something is wrong with the checkpoint, who restores it is told.
    forgetWarmedUp();
  }
  if (!isWanted()) platform().collectGarbage();
}

/** A core that goes on from the checkpoint, if this thread has restored it already, and where its pages come from. */
export function takeWarmedUp(
  { meta }: OpenCheckpoint,
  { translation }: MachineConfiguration,
): { readonly pages: PageSource; makeCore(options: CoreOptions): MachineCore } | undefined {
  const restored = waiting;
  waiting = undefined;
  if (!restored) return undefined;
  if (restored.checkpoint === meta.id && JSON.stringify(restored.translation) === JSON.stringify(translation)) {
    return { pages: restored.pages, makeCore: (options) => makeCore(restored, options) };
  }
  restored.pages.close();
  return undefined;
}

/** Another machine begins in this thread. */
export function forgetWarmedUp(): void {
  waiting?.pages.close();
  waiting = undefined;
}

function makeCore({ core, compiler }: Restored, options: CoreOptions): MachineCore {
  if (options.compiler) compiler.attach(options.compiler);
  const machine = forkOf(core, forkOptionsOf(options));
  core.dispose();
  return machine;
}

function forkOf(core: MachineCore, options: ForkOptions): MachineCore {
  const snapshot = core.snapshot();
  try {
    return core.fork(snapshot, options);
  } finally {
    snapshot.memory.release();
  }
}

async function restore({ checkpoint, store: folder, translation }: RestoreConfiguration): Promise<Restored> {
  const store = await CheckpointStore.open(folder === undefined ? {} : { folder });
  const { meta, state, pages } = await store.openCheckpoint(checkpoint);
  try {
    const { configuration } = readMachine(meta.machine, { memoryBytes: meta.memoryBytes, translation });
    const compiler = new LateCompiler();
    const core = await MachineCore.restore(
      {
        ...configuration,
        reservedBytes: MEMORY_LIMIT_BYTES,
        shared: true,
        disks: meta.disks.map(({ sizeBytes, readonly }) => {
          return { sizeBytes, readonly, serial: '', backend: NEVER_ANSWERS };
        }),
        shares: (configuration.sharedFolders ?? []).map(({ mount }) => ({ tag: mount, backend: NEVER_REPLIES })),
        compiler,
        collectGarbage: platform().collectGarbage,
        load: () => {},
      },
      state,
      pages,
    );
    return { checkpoint: meta.id, translation, core, pages, compiler };
  } catch (error) {
    pages.close();
    throw error;
  }
}

/** What is read before the fork is made, and decoded by it, is its original's too. */
async function runThrowawayFork({ core, pages }: Restored, isWanted: IsWanted): Promise<void> {
  await prefetchPages(core, pages.hotPages, isWanted);
  if (isWanted()) return;
  const fork = forkOf(core, {});
  try {
    await runForAMoment(fork, isWanted);
    if (core.board.disks.length > 0 && !isWanted()) await openOverlaidDisk();
    await prefetchPages(core, [...fork.ram.presentPages()], isWanted);
  } finally {
    fork.dispose();
  }
}

async function prefetchPages({ ram }: MachineCore, wanted: readonly number[], isWanted: IsWanted): Promise<void> {
  for (const [i, page] of wanted.entries()) {
    if (i % STEP_PAGES === 0) await platform().timers.turn();
    if (isWanted()) return;
    ram.prefetch(page);
  }
}

/** As a restored machine begins: with a fresh identity, in another time, and somebody presses a key. */
async function runForAMoment(core: MachineCore, isWanted: IsWanted): Promise<void> {
  const stopIfDone = (): void => {
    if (isWanted() || runner.stats.busyMs > MAXIMUM_BUSY_MS) runner.stop();
  };
  let restMs = 0;
  const { clock, timers } = platform();
  const loop: HostLoop = {
    yield: async () => {
      await timers.turn();
      stopIfDone();
    },
    sleep: async (ms) => {
      restMs += ms;
      if (restMs > MAXIMUM_REST_MS) runner.stop();
      else await timers.sleep(ms);
    },
    wake: () => {},
  };
  const runner = new LiveRunner(core, clock, loop);
  runner.followWall('follow');
  for (const event of freshIdentityEvents()) runner.enqueue(event);
  runner.input('uart', RETURN_KEY);
  await runner.run();
}

/** As the disks of a restored machine are opened: one over another. */
async function openOverlaidDisk(): Promise<void> {
  const { files } = platform();
  const folder = await files.makeTemporaryFolder();
  try {
    const path = `${folder}/disk.qcow2`;
    await createDisk(path, { sizeBytes: SMALL_DISK_BYTES, temporary: true });
    const disk = { path, format: 'qcow2', sizeBytes: SMALL_DISK_BYTES, readonly: false, serial: '' } as const;
    const disks = await MachineDisks.openRestored([disk], undefined);
    await disks.close();
    await disks.removeTemporary();
  } finally {
    await files.removeTree(folder);
  }
}
