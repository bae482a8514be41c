import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createDisk } from '../../src/backend/disk/live/open-disk.ts';
import { initramfsWithFiles } from '../../src/guest/index.ts';
import { Replayer } from '../../src/recording/replayer.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { openRecording } from '../../src/service/recording/open-recording.ts';
import { compileKernels } from '../compile.ts';
import { type GuestImage, PROMPT, plainGuest, programFiles } from '../guest-image.ts';
import type { Bench } from '../run-context.ts';
import { geometricMean, median } from '../statistics.ts';
import { SUITE, scaledRepetitions } from '../suite.ts';

/** One piece of work, in a machine that is recorded and in one that is not. */
export interface RecordedWork {
  readonly name: string;
  /** How much longer it takes when it is recorded: 0.03 is 3 %. Median of pairs, by the clock. */
  readonly slowdown: number;
}

export interface RecordingFigures {
  readonly works: readonly RecordedWork[];
  /** Geometric mean of all. */
  readonly slowdown: number;
  readonly rounds: number;
  /** Bytes by which the recording of an idle guest grows in a second. */
  readonly idleBytesPerSecond: number;
  readonly logMebibytes: number;
  /** Seconds in which the recorded machine had something to do, and what replaying all of it took. */
  readonly busySeconds: number;
  readonly replayedSeconds: number;
}

const MIB = 1024 ** 2;
const ROUNDS = 5;
const QUICK_ROUNDS = 1;
const IDLE_MS = 30_000;
const MEMORY = '256M';

/** Disk, processes and pipes, in the shell: what the suite of programs has not. */
const SHELL_WORKS: Readonly<Record<string, string>> = {
  'disk-write': 'dd if=/dev/zero of=/dev/vda bs=64k count=640 conv=fsync',
  'disk-read': 'echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda of=/dev/null bs=64k count=640',
  'disk-small': 'dd if=/dev/vda of=/tmp/x bs=512 count=3000; dd if=/tmp/x of=/dev/vda bs=512 count=3000 oflag=direct',
  'shell-text': 'seq 1 120000 | sort -r | md5sum',
  'shell-gzip': 'tar c /bin /lib | gzip -6 | md5sum',
  'shell-processes': 'i=0; while [ $i -lt 250 ]; do /bin/true; i=$((i+1)); done',
  console: 'seq 1 4000 >/dev/console',
};

interface Contender {
  readonly machine: Machine;
  readonly busyMs: () => number;
  run(line: string): Promise<number>;
}

/**
 * Two machines from the same images, of which one is recorded from its first instruction, do every work in turn, pair
 * by pair; then the recorded one idles, and all of it is replayed.
 */
export async function measureRecording({ options, progress, signal }: Bench): Promise<RecordingFigures> {
  const programs = await compileKernels(
    'guest',
    SUITE.map(({ name }) => name),
    progress,
  );
  const folder = await mkdtemp(join(tmpdir(), 'godwit-bench-recording-'));
  const path = join(folder, 'all.rec');
  const contenders: Contender[] = [];
  try {
    const guest = await plainGuest(progress);
    const image = { ...guest, initrdPath: join(folder, 'initramfs.cpio') };
    await writeFile(image.initrdPath, await initramfsWithFiles(guest.initrdPath, await programFiles(programs.paths)));
    progress.update({ phase: 'Booting two machines, one of them recorded' });
    const plain = await startMachine(image, join(folder, 'plain.qcow2'));
    contenders.push(plain);
    const recorded = await startMachine(image, join(folder, 'recorded.qcow2'), path);
    contenders.push(recorded);
    const lines = new Map(SUITE.map((kernel) => [kernel.name, suiteLine(kernel, options.scale)]));
    for (const [name, line] of Object.entries(SHELL_WORKS)) lines.set(name, line);
    const rounds = options.scale < 1 ? QUICK_ROUNDS : ROUNDS;
    const works: RecordedWork[] = [];
    for (const [name, line] of lines) {
      if (signal.aborted) break;
      progress.update({ phase: `Running ${name}, recorded and not` });
      works.push({ name, slowdown: await compare(plain, recorded, line, rounds) });
    }
    progress.update({ phase: 'Recording an idle guest' });
    const idleBytesPerSecond = await growth(path, IDLE_MS);
    await recorded.machine.stop();
    progress.update({ phase: 'Replaying all of it' });
    return {
      works,
      slowdown: geometricMean(works.map(({ slowdown }) => 1 + slowdown)) - 1,
      rounds,
      idleBytesPerSecond,
      busySeconds: recorded.busyMs() / 1000,
      ...(await replay(path)),
    };
  } finally {
    for (const { machine } of contenders) await machine.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function suiteLine(kernel: (typeof SUITE)[number], scale: number): string {
  return `/bench/${kernel.name} ${scaledRepetitions(kernel, scale)}`;
}

async function startMachine(image: GuestImage, disk: string, record?: string): Promise<Contender> {
  await createDisk(disk, { sizeBytes: 64 * MIB });
  const startedMs = performance.now();
  const machine = await Machine.create({
    kernel: image.kernelPath,
    initrd: image.initrdPath,
    append: image.commandLine,
    memory: MEMORY,
    disks: [{ path: disk }],
  });
  if (record !== undefined) await machine.record({ path: record });
  await machine.start();
  await machine.console.waitFor(PROMPT);
  let busyMs = 0;
  const run = async (line: string): Promise<number> => {
    const beforeMs = performance.now();
    await machine.console.write(`(${line}) >/dev/null 2>&1; echo do"ne"\r`);
    await machine.console.waitFor('done\r\n');
    const ms = performance.now() - beforeMs;
    busyMs += ms;
    return ms;
  };
  await run('modprobe virtio_blk');
  busyMs = performance.now() - startedMs;
  return { machine, run, busyMs: () => busyMs };
}

/** After one pair that warms up. Who is first changes from pair to pair. */
async function compare(plain: Contender, recorded: Contender, line: string, rounds: number): Promise<number> {
  const ratios: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const isPlainFirst = round % 2 === 0;
    const first = await (isPlainFirst ? plain : recorded).run(line);
    const second = await (isPlainFirst ? recorded : plain).run(line);
    if (round > 0) ratios.push(isPlainFirst ? second / first : first / second);
  }
  return median(ratios) - 1;
}

async function growth(path: string, ms: number): Promise<number> {
  // What is under way reaches the file first.
  await delay(2000);
  const { size } = await stat(path);
  await delay(ms);
  return ((await stat(path)).size - size) / (ms / 1000);
}

async function replay(path: string): Promise<Pick<RecordingFigures, 'logMebibytes' | 'replayedSeconds'>> {
  const recording = await openRecording(path);
  try {
    const logMebibytes = ((await stat(path)).size - recording.startBytes) / MIB;
    const startedMs = performance.now();
    const replayer = await Replayer.open(recording);
    replayer.runToEnd();
    const replayedSeconds = (performance.now() - startedMs) / 1000;
    replayer.detach().dispose();
    return { logMebibytes, replayedSeconds };
  } finally {
    recording.close();
  }
}
