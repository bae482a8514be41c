import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { createDisk } from '../../src/backend/disk/live/open-disk.ts';
import { ensureGuest, QUICK_BOOT_PARAMETERS } from '../../src/guest/index.ts';
import { MachineCore } from '../../src/machine/core.ts';
import { MEMORY_LIMIT_BYTES } from '../../src/memory/arena.ts';
import { collectGarbage } from '../../src/platform/node/garbage.ts';
import { CheckpointStore } from '../../src/service/checkpoint/store/store.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { type Distribution, distributionOf } from './distribution.ts';
import { BusyGuest } from './guest.ts';

export interface CheckpointFigures {
  readonly memoryMebibytes: number;
  /** Milliseconds in which no guest instruction runs. */
  readonly pauseMs: Distribution;
  /** How much slower the guest ran while the background save was under way: 0.1 is 10 %. */
  readonly slowdown: number;
  readonly saveMs: number;
  readonly fileMebibytes: number;
  /** To the first instruction, in a process that has run a machine before. */
  readonly restoreMs: Distribution;
}

interface Saved {
  readonly slowdown: number;
  readonly ms: number;
  readonly fileBytes: number;
}

const PAUSES = 1000;
const SAVES = 5;
const RESTORES = 100;
/**
 * A machine that the library restores has a thread of its own, without the garbage of machines that were restored
 * before it. After each one would be too often: a collection makes V8 forget what it has learned of the code.
 */
const RESTORES_PER_COLLECTION = 5;
const SAVED = 'saved';
/** Checkpoints of a machine in a thread of its own. */
const CHECKPOINTS = 50;
/** For the thread of the next machine to be ready. */
const BETWEEN_RESTORES_MS = 1000;
/** Memory and the disk are written all the time. */
const WRITING =
  'while :; do head -c 3000000 /dev/urandom >/tmp/w; dd if=/tmp/w of=/dev/vda bs=64k conv=notrunc,fsync 2>/dev/null; done &';
const SERVICE = 'while read -r line; do echo "answer $line"; done';
const INTERRUPT = '\x03';
const SLICE_BRANCHES = 60_000n;
/** As live machines have them. */
const SLICE_MS = 3;
const MIB = 1024 ** 2;
const CALM_MS = 500;

/** Everything about one size of memory. */
export async function measureCheckpoints(memoryMebibytes: number): Promise<CheckpointFigures> {
  const guest = await BusyGuest.boot(memoryMebibytes);
  const folder = await mkdtemp(join(tmpdir(), 'godwit-bench-checkpoints-'));
  const store = await CheckpointStore.open({ folder });
  store.warmUp();
  try {
    const pauseMs = distributionOf(measurePauses(guest));
    const saves: Saved[] = [];
    for (let i = 0; i < SAVES; i++) saves.push(await saveWhileRunning(guest, store, `${SAVED}-${i}`));
    return {
      memoryMebibytes,
      pauseMs,
      slowdown: distributionOf(saves.map(({ slowdown }) => slowdown)).median,
      saveMs: distributionOf(saves.map(({ ms }) => ms)).median,
      fileMebibytes: saves[0]!.fileBytes / MIB,
      restoreMs: distributionOf(await measureRestores(store, `${SAVED}-0`, memoryMebibytes)),
    };
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function measurePauses(guest: BusyGuest): number[] {
  const pauses: number[] = [];
  for (let i = 0; i < PAUSES; i++) {
    guest.runBranches(SLICE_BRANCHES);
    const startedMs = performance.now();
    const snapshot = guest.core.snapshot();
    pauses.push(performance.now() - startedMs);
    guest.runBranches(SLICE_BRANCHES);
    snapshot.memory.release();
  }
  return pauses;
}

/** Instructions in a millisecond, with the turns of the event loop that a machine gives its host. */
async function throughput(guest: BusyGuest, goOn: (ms: number) => boolean): Promise<number> {
  const { current: hart } = guest.core;
  const startedMs = performance.now();
  const before = hart.instructionsRetired;
  while (goOn(performance.now() - startedMs)) {
    const endMs = performance.now() + SLICE_MS;
    while (performance.now() < endMs) guest.runBranches(SLICE_BRANCHES);
    await nextTurn();
  }
  return Number(hart.instructionsRetired - before) / (performance.now() - startedMs);
}

/** The guest's speed meanwhile, beside that before and after. */
async function saveWhileRunning(guest: BusyGuest, store: CheckpointStore, name: string): Promise<Saved> {
  const { core } = guest;
  const isCalm = (ms: number) => ms < CALM_MS;
  const before = await throughput(guest, isCalm);
  const draft = await store.begin({ name });
  const startedMs = performance.now();
  const snapshot = core.snapshot();
  const { memory, state, point } = snapshot;
  const hotPages = core.recentPages(snapshot);
  let done = false;
  const writing = draft.write({ memory, state, point, machine: null, hotPages }).finally(() => {
    done = true;
  });
  const meanwhile = await throughput(guest, () => !done);
  const fileBytes = await writing;
  const ms = performance.now() - startedMs;
  memory.release();
  await draft.commit();
  const after = await throughput(guest, isCalm);
  return { slowdown: (before + after) / 2 / meanwhile - 1, ms, fileBytes };
}

async function measureRestores(store: CheckpointStore, name: string, memoryMebibytes: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < RESTORES; i++) {
    const startedMs = performance.now();
    const { state, pages } = await store.openCheckpoint(name);
    const core = await MachineCore.restore(
      {
        memoryBytes: memoryMebibytes * MIB,
        reservedBytes: MEMORY_LIMIT_BYTES,
        shared: true,
        seed: new Uint8Array(32),
        load: () => {},
      },
      state,
      pages,
    );
    core.step();
    times.push(performance.now() - startedMs);
    pages.close();
    if (i % RESTORES_PER_COLLECTION === 0) collectGarbage();
  }
  return times;
}

export interface ShellFigures {
  /**
   * Milliseconds in which the guest of a machine in a thread of its own waits for a checkpoint that the library makes,
   * disk included.
   */
  readonly pauseMs: Distribution;
  /** From the call that restores a machine until a shell in it has answered a line. */
  readonly firstOutputMs: Distribution;
  /** The same for a program that reads lines and answers them, without an editor for lines as the shell has it. */
  readonly serviceOutputMs: Distribution;
}

/** What users of the library see: machines in threads of their own, with a disk. */
export async function measureShell(restores: number): Promise<ShellFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'godwit-bench-checkpoints-'));
  const store = join(folder, 'store');
  const disk = join(folder, 'disk.qcow2');
  await createDisk(disk, { sizeBytes: 64 * MIB });
  const { kernelPath, initramfsPath } = await ensureGuest();
  const machine = await Machine.create({
    kernel: kernelPath,
    initrd: initramfsPath,
    append: ['console=ttyS0', ...QUICK_BOOT_PARAMETERS].join(' '),
    memory: '256M',
    disks: [{ path: disk }],
  });
  try {
    await machine.start();
    await machine.console.waitFor('~# ');
    await machine.console.write('modprobe virtio_blk; echo rea"dy"\r');
    await machine.console.waitFor('ready\r\n');
    await machine.checkpoint({ name: 'shell', store });
    await machine.console.write(`${SERVICE}\rhello\r`);
    await machine.console.waitFor('answer hello\r\n');
    await machine.checkpoint({ name: 'service', store, disks: 'copy' });
    await machine.console.write(INTERRUPT);
    await machine.console.waitFor('~# ');
    const firstOutputMs = await timeAnswers(restores, store, 'shell', (i) => {
      const number = 1_000_000 + i;
      return { line: `echo $((${number} + 0))`, answer: `${number}\r\n` };
    });
    const serviceOutputMs = await timeAnswers(restores, store, 'service', (i) => {
      return { line: `${i}`, answer: `answer ${i}\r\n` };
    });
    await machine.console.write(`${WRITING}\r`);
    const pauses: number[] = [];
    for (let i = 0; i < CHECKPOINTS; i++) {
      await delay(100);
      const { pauseMs } = await machine.checkpoint({ name: `${i}`, store, disks: 'copy' });
      pauses.push(pauseMs);
    }
    return {
      pauseMs: distributionOf(pauses),
      firstOutputMs: distributionOf(firstOutputMs),
      serviceOutputMs: distributionOf(serviceOutputMs),
    };
  } finally {
    await machine.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Question {
  readonly line: string;
  readonly answer: string;
}

async function timeAnswers(restores: number, store: string, name: string, question: (i: number) => Question) {
  const times: number[] = [];
  for (let i = 0; i < restores; i++) {
    await delay(BETWEEN_RESTORES_MS);
    times.push(await timeToAnswer(store, name, question(i)));
  }
  return times;
}

async function timeToAnswer(store: string, name: string, { line, answer }: Question): Promise<number> {
  const startedMs = performance.now();
  const machine = await Machine.restore(name, { store });
  await machine.start();
  await machine.console.write(`${line}\r`);
  await machine.console.waitFor(answer);
  const ms = performance.now() - startedMs;
  await machine.stop();
  return ms;
}
