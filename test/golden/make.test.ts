import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { CURRENT_BOARD } from '../../src/machine/board-versions.ts';
import { describeMachine } from '../../src/service/checkpoint/checkpointed-machine.ts';
import { CheckpointStore } from '../../src/service/checkpoint/store/index.ts';
import { LiveMachine, MemorySink } from '../recording/live-recording.ts';
import { openBytes, replayAll } from '../recording/opened.ts';
import { DISK_BYTES, type Expected, FILES, goOn, MEMORY_BYTES } from './golden.ts';

/** Whoever makes them anew, which README.md says when. */
const WANTED = process.env.GODWIT_MAKE_GOLDEN === '1';
const HERE = import.meta.dirname;
const FOLDER = join(HERE, CURRENT_BOARD.name);

function compileGuest(folder: string): Uint8Array {
  const elf = join(folder, 'guest.elf');
  const flags = ['-nostdlib', '-static', '-O1', '-march=rv64gc', '-mabi=lp64d', '-mcmodel=medany'];
  const linker = ['-Wl,--build-id=none', '-Wl,--no-relax', '-Wl,-Ttext=0x80200000'];
  const sources = [join(HERE, 'start.S'), join(HERE, 'guest.c')];
  const { status, stderr } = spawnSync('riscv64-linux-gnu-gcc', [...flags, ...linker, '-o', elf, ...sources], {
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  return new Uint8Array(readFileSync(elf));
}

describe.skipIf(!WANTED)('the golden files (made only with GODWIT_MAKE_GOLDEN=1)', () => {
  it('are made', async () => {
    const work = mkdtempSync(join(tmpdir(), 'godwit-golden-'));
    rmSync(FOLDER, { recursive: true, force: true });
    const path = join(work, 'disk.raw');
    await createDisk(path, { sizeBytes: DISK_BYTES, format: 'raw' });
    const disk = await openDisk(path, { format: 'raw' });
    const machine = await LiveMachine.create({
      images: { kernel: compileGuest(work) },
      memoryBytes: MEMORY_BYTES,
      disks: [disk],
      core: { shared: true },
    });
    const sink = new MemorySink();
    const recorder = machine.record(sink, { digestEveryMs: 20 });
    const finished = machine.start();
    await machine.shows('ready\n');
    machine.type('gold');
    await machine.shows('gold');
    const { core } = machine;
    const snapshot = core.snapshot();
    const digest = core.digest().toString();

    const store = await CheckpointStore.open({ folder: join(FOLDER, FILES.store) });
    const draft = await store.begin({ name: 'golden' });
    writeFileSync(join(draft.folder, 'disk0.raw'), new Uint8Array(readFileSync(path)));
    const place = { path: `${draft.id}/disk0.raw`, format: 'raw' as const, sizeBytes: DISK_BYTES, readonly: false };
    await draft.write({
      memory: snapshot.memory,
      state: snapshot.state,
      point: snapshot.point,
      machine: describeMachine({
        consolePort: 'uart',
        terminal: { columns: 80, rows: 24 },
        kernel: 'guest.elf',
        disks: [{ path, format: 'raw', readonly: false, serial: 'recorded' }],
      } as never),
      disks: [{ ...place, backing: [] }],
      hotPages: core.recentPages(snapshot),
    });
    await draft.commit();
    await store.export('golden', join(FOLDER, FILES.archive));

    rmSync(join(FOLDER, FILES.store, '.lock'));
    machine.type('en q');
    await finished;
    await recorder.stop('power-off');
    writeFileSync(join(FOLDER, FILES.recording), sink.bytes);
    const replayed = await replayAll(openBytes(sink.bytes));
    const fork = core.fork(snapshot, { output: (_port, bytes) => printed.push(...bytes) });
    const printed: number[] = [];
    const end = goOn(fork, () => String.fromCharCode(...printed));
    const expected: Expected = {
      checkpoint: { digest, ...end },
      recording: {
        digest: replayed.digest.toString(),
        printed: replayed.printed,
        digests: replayed.checked,
      },
    };
    writeFileSync(join(FOLDER, FILES.expected), `${JSON.stringify(expected, null, 2)}\n`);
    await disk.close();
    rmSync(work, { recursive: true });
  });
});
