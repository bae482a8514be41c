/** Boots as a user sees them: from the start of a process to the shell's prompt, then a while of doing nothing. */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { GodwitError } from '../src/common/errors.ts';
import { endChild } from './contender/end-child.ts';
import { PROMPT } from './guest-image.ts';
import { LineSplitter } from './markers.ts';
import { cpuMsOf, peakResidentBytesOf } from './process-usage.ts';

export interface BootRun {
  /** From the start of the process to the prompt. */
  readonly promptMs: number;
  /** Processor time that all threads took until then. */
  readonly promptCpuMs: number | undefined;
  /** The most memory that was resident until after the idle time. */
  readonly peakResidentBytes: number | undefined;
  /** Share of one core that the process took at the prompt; 0.01 is one percent. */
  readonly idleShare: number | undefined;
}

export interface BootCommand {
  readonly program: string;
  readonly args: readonly string[];
}

const BOOT_LIMIT_MS = 180_000;
/** What goes on behind the prompt is done after this long. */
const SETTLE_MS = 2000;
/** How much of what a failed boot printed is shown. */
const LINES_SHOWN = 10;

interface Prompt {
  readonly atMs: number;
  readonly cpuMs: number | undefined;
}

function untilPrompt(child: ChildProcess, program: string, signal: AbortSignal): Promise<Prompt> {
  const lines = new LineSplitter();
  const printed: string[] = [];
  return new Promise((resolve, reject) => {
    const fail = (what: string): void => {
      clearTimeout(timer);
      const shown = [...printed.slice(-LINES_SHOWN), lines.unfinished].filter((line) => line !== '');
      reject(new GodwitError('io', [`${program} ${what}.`, ...shown].join('\n')));
    };
    const timer = setTimeout(() => fail(`reached no prompt within ${BOOT_LIMIT_MS / 1000} seconds`), BOOT_LIMIT_MS);
    child.stdout!.on('data', (bytes: Buffer) => {
      printed.push(...lines.push(bytes));
      if (!PROMPT.test(lines.unfinished)) return;
      clearTimeout(timer);
      resolve({ atMs: performance.now(), cpuMs: cpuMsOf(child.pid!) });
    });
    child.stderr!.on('data', (bytes: Buffer) => printed.push(bytes.toString().trimEnd()));
    child.once('error', (error) => fail(`can't be started: ${error.message}`));
    child.once('exit', (status) => fail(`ended with status ${status} before the prompt`));
    signal.addEventListener('abort', () => fail('was interrupted'), { once: true });
  });
}

async function idleShareOf(pid: number, idleMs: number, signal: AbortSignal): Promise<number | undefined> {
  await sleep(SETTLE_MS, undefined, { signal });
  const before = cpuMsOf(pid);
  const start = performance.now();
  await sleep(idleMs, undefined, { signal });
  const after = cpuMsOf(pid);
  if (before === undefined || after === undefined) return undefined;
  return (after - before) / (performance.now() - start);
}

/** Boots once. With `idleMs` 0 the idle share is not measured. */
export async function measureBoot(command: BootCommand, idleMs: number, signal: AbortSignal): Promise<BootRun> {
  const start = performance.now();
  const child = spawn(command.program, command.args, { stdio: 'pipe' });
  child.stdin.on('error', () => {});
  try {
    const prompt = await untilPrompt(child, command.program, signal);
    const idleShare = idleMs > 0 ? await idleShareOf(child.pid!, idleMs, signal) : undefined;
    const peakResidentBytes = peakResidentBytesOf(child.pid!);
    return { promptMs: prompt.atMs - start, promptCpuMs: prompt.cpuMs, peakResidentBytes, idleShare };
  } finally {
    await endChild(child);
  }
}
