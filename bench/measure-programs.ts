/** Real programs on Debian, in godwit and in QEMU. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runToEnd } from '../src/cli/run-to-end.ts';
import { type DebianDisk, ensureDebianDisk, findDebianDisk } from '../src/guest/index.ts';
import { GodwitContender } from './contender/godwit.ts';
import { QemuContender } from './contender/qemu.ts';
import { programMachine } from './program-image.ts';
import { type Bench, startAll } from './run-context.ts';
import { type Contenders, runSuite, type SuiteResult } from './run-suite.ts';

/** Versions that say what was measured. */
const NAMED_PACKAGES = ['openssl', 'python3', 'sqlite3', 'gzip', 'xz-utils', 'gcc', 'libc6'];

/** The disk if there is one. It is built, which takes some minutes, only for a person who asked for what needs it. */
export async function programDisk(bench: Bench, build: boolean): Promise<DebianDisk | undefined> {
  const { progress } = bench;
  const common = { variant: 'bench', progress } as const;
  return build ? ensureDebianDisk({ ...common, runMachine: runToEnd }) : findDebianDisk(common);
}

export async function measurePrograms(bench: Bench, qemu: boolean): Promise<SuiteResult> {
  const { options, progress } = bench;
  const debian = await programDisk(bench, options.buildDisk);
  if (!debian) {
    progress.note(
      'Real programs are left out: "npm run bench -- --only programs" builds the disk for them, in some minutes.',
    );
    return { kernels: [], problems: [] };
  }
  for (const name of NAMED_PACKAGES) bench.versions[`Debian's ${name}`] = debian.packages[name] ?? 'missing';
  const folder = await mkdtemp(join(tmpdir(), 'godwit-bench-'));
  const contenders: Contenders = {};
  try {
    const { engine, profile } = options;
    const image = await programMachine(debian, folder, 'godwit');
    contenders.godwit = new GodwitContender({ image, engine, profileFolder: profile });
    if (qemu) contenders.qemu = new QemuContender(await programMachine(debian, folder, 'qemu'));
    await startAll(bench, contenders);
    const { programs: kernels, programRuns: runs, scale } = options;
    return await runSuite(contenders, { kernels, runs, scale, signal: bench.signal }, progress);
  } finally {
    await Promise.all(Object.values(contenders).map((contender) => contender.stop()));
    await rm(folder, { recursive: true, force: true });
  }
}
