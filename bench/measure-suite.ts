/** The CPU suite: compiles it, boots a machine of each kind and runs it in them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileKernels, type Programs, type Target } from './compile.ts';
import { GodwitContender } from './contender/godwit.ts';
import { NativeContender } from './contender/native.ts';
import { QemuContender } from './contender/qemu.ts';
import { type GuestImage, writeSuiteImage } from './guest-image.ts';
import { type Bench, ifPresent, PACKAGES, startAll } from './run-context.ts';
import { type Contenders, runSuite, type SuiteResult } from './run-suite.ts';

async function compile(bench: Bench, target: Target, consequence: string): Promise<Programs | undefined> {
  const names = bench.options.kernels.map(({ name }) => name);
  const programs = await ifPresent(bench, `${consequence}; ${PACKAGES} brings it.`, () =>
    compileKernels(target, names, bench.progress),
  );
  if (programs) bench.versions[`${target} compiler`] = programs.compiler;
  return programs;
}

export async function measureSuite(bench: Bench, plain: GuestImage, qemu: boolean): Promise<SuiteResult> {
  const { options } = bench;
  const host = options.native ? await compile(bench, 'host', 'The native column stays empty') : undefined;
  const guest = await compile(bench, 'guest', 'The CPU suite is left out');
  if (!guest) return { kernels: [], problems: [] };
  const folder = await mkdtemp(join(tmpdir(), 'godwit-bench-'));
  const contenders: Contenders = {};
  try {
    const image = await writeSuiteImage(plain, guest.paths, join(folder, 'initramfs.cpio'));
    const { engine, profile } = options;
    contenders.godwit = new GodwitContender({ image, engine, profileFolder: profile });
    if (qemu) contenders.qemu = new QemuContender(image);
    if (host) contenders.native = new NativeContender(host.paths);
    await startAll(bench, contenders);
    return await runSuite(contenders, { ...options, runs: options.suiteRuns, signal: bench.signal }, bench.progress);
  } finally {
    await Promise.all(Object.values(contenders).map((contender) => contender.stop()));
    await rm(folder, { recursive: true, force: true });
  }
}
