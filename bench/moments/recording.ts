import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureGuest } from '../../src/guest/index.ts';
import { Machine } from '../../src/platform/node/machine.ts';
import { createDisk } from '../../src/platform/node/open-disk.ts';
import { openRecording } from '../../src/platform/node/recording/recording-file.ts';
import { Replayer } from '../../src/recording/replayer.ts';

export interface RecordingFigures {
  /** How much longer the same work takes when it is recorded: 0.03 is 3 %. Medians; by the clock, and by processor time. */
  readonly slowdown: number;
  readonly processorSlowdown: number;
  readonly rounds: number;
  /** Bytes of log for a second of work, and of the start. */
  readonly logBytesPerSecond: number;
  readonly startMebibytes: number;
  /** Seconds that a recording of all of it took, and its replay. */
  readonly recordedSeconds: number;
  readonly replayedSeconds: number;
}

const MIB = 1024 ** 2;
const ROUNDS = 9;
/** For the start of a recording to be saved. */
const SETTLE_MS = 1500;

/** Processor and disk, many processes and few, in one line of shell. */
const WORK = [
  'for r in 1 2; do seq 1 60000 | sort -r | md5sum; head -c 3000000 /dev/zero | gzip -6 | md5sum',
  'i=0; while [ $i -lt 150 ]; do /bin/true; i=$((i+1)); done',
  'dd if=/dev/vda bs=64k count=160; dd if=/dev/zero of=/dev/vda bs=64k seek=160 count=160 conv=fsync',
  'echo 3 >/proc/sys/vm/drop_caches; tar c /bin | md5sum; done',
].join('; ');

interface Round {
  readonly wallMs: number;
  readonly processorMs: number;
}

/** Rounds of the same work, every second one recorded. */
export async function measureRecording(rounds = ROUNDS): Promise<RecordingFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'godwit-bench-recording-'));
  const disk = join(folder, 'disk.qcow2');
  await createDisk(disk, { sizeBytes: 64 * MIB });
  const { kernelPath, initramfsPath } = await ensureGuest();
  const machine = await Machine.create({
    kernel: kernelPath,
    initrd: initramfsPath,
    append: 'console=ttyS0 quiet cryptomgr.notests',
    memory: '256M',
    disks: [{ path: disk }],
  });
  try {
    await machine.start();
    await machine.console.waitFor('~# ');
    await machine.console.write('[ -b /dev/vda ] || modprobe virtio_blk; echo rea"dy"\r');
    await machine.console.waitFor('ready\r\n');
    const work = async (): Promise<Round> => {
      const before = process.cpuUsage();
      const startedMs = performance.now();
      await machine.console.write(`(${WORK}) >/dev/null 2>&1; echo do"ne"\r`);
      await machine.console.waitFor('done\r\n');
      const { user, system } = process.cpuUsage(before);
      return { wallMs: performance.now() - startedMs, processorMs: (user + system) / 1000 };
    };
    await work();
    await work();
    const plain: Round[] = [];
    const recorded: Round[] = [];
    const logs: number[] = [];
    let startBytes = 0;
    for (let i = 0; i < rounds; i++) {
      await delay(SETTLE_MS);
      plain.push(await work());
      const path = join(folder, `${i}.rec`);
      await machine.record({ path });
      await delay(SETTLE_MS);
      recorded.push(await work());
      const { fileBytes } = await machine.stopRecording(path);
      const recording = await openRecording(path);
      startBytes = recording.startBytes;
      logs.push((fileBytes - startBytes) / (recorded.at(-1)!.wallMs / 1000));
      recording.close();
    }
    return {
      slowdown: median(recorded.map(({ wallMs }) => wallMs)) / median(plain.map(({ wallMs }) => wallMs)) - 1,
      processorSlowdown:
        median(recorded.map(({ processorMs }) => processorMs)) / median(plain.map(({ processorMs }) => processorMs)) -
        1,
      rounds,
      logBytesPerSecond: median(logs),
      startMebibytes: startBytes / MIB,
      ...(await replay(join(folder, '0.rec'))),
    };
  } finally {
    await machine.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function replay(path: string): Promise<Pick<RecordingFigures, 'recordedSeconds' | 'replayedSeconds'>> {
  const recording = await openRecording(path);
  const replayer = await Replayer.open(recording);
  const startedMs = performance.now();
  replayer.runToEnd();
  const replayedSeconds = (performance.now() - startedMs) / 1000;
  const recordedSeconds = Number(recording.endTicks - recording.start.ticks) / 1e7;
  recording.close();
  return { recordedSeconds, replayedSeconds };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
