/** The tables that a person reads. */
import type { BootRun } from './boot.ts';
import type { BenchResult, KernelResult } from './result.ts';
import { median } from './statistics.ts';
import { kernelFigures, processorShare } from './summary.ts';

const MISSING = '-';
/** Under this share of the processor, wall times say more of the machine than of godwit. */
const QUIET_SHARE = 0.95;

/** Columns padded to equal widths: the first to the left, the others to the right. */
export function layOut(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

function fixed(value: number | undefined, digits: number): string {
  return value === undefined || Number.isNaN(value) ? MISSING : value.toFixed(digits);
}

const seconds = (ms: number | undefined): string => fixed(ms === undefined ? undefined : ms / 1000, 3);

function suiteTable(result: BenchResult): string {
  const { figures } = result;
  const header = ['kernel', 'godwit s', 'QEMU s', 'native s', 'godwit MIPS', 'speed / QEMU', 'time / native'];
  const rows = figures.kernels.map(({ name, ms, godwitMips, ofQemu, ofNative }) => [
    name,
    seconds(ms.godwit),
    seconds(ms.qemu),
    seconds(ms.native),
    fixed(godwitMips, 0),
    fixed(ofQemu, 3),
    fixed(ofNative, 1),
  ]);
  const means = figures.means.map(({ label, godwitMips, ofQemu, ofNative }) => [
    `geometric mean, ${label}`,
    '',
    '',
    '',
    fixed(godwitMips, 0),
    fixed(ofQemu, 3),
    fixed(ofNative, 1),
  ]);
  return layOut([header, ...rows, ...means]);
}

function programTable(result: BenchResult): string {
  const { programs, programMean } = result.figures;
  const header = ['program', 'godwit s', 'QEMU s', 'godwit MIPS', 'speed / QEMU'];
  const rows = programs.map(({ name, ms, godwitMips, ofQemu }) => [
    name,
    seconds(ms.godwit),
    seconds(ms.qemu),
    fixed(godwitMips, 0),
    fixed(ofQemu, 3),
  ]);
  const mean = ['geometric mean', '', '', fixed(programMean.godwitMips, 0), fixed(programMean.ofQemu, 3)];
  return layOut([header, ...rows, mean]);
}

function bootMedian(runs: readonly BootRun[], of: (run: BootRun) => number | undefined): number | undefined {
  const values = runs.map(of).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : median(values);
}

function bootTable({ boot }: BenchResult): string {
  const row = (label: string, digits: number, scale: number, of: (run: BootRun) => number | undefined): string[] => {
    const values = [bootMedian(boot.godwit, of), bootMedian(boot.qemu, of)];
    const [godwit, qemu] = values.map((value) => (value === undefined ? undefined : value * scale));
    const ratio = godwit === undefined || qemu === undefined || qemu === 0 ? undefined : godwit / qemu;
    return [label, fixed(godwit, digits), fixed(qemu, digits), fixed(ratio, 2)];
  };
  return layOut([
    ['boot', 'godwit', 'QEMU', 'godwit / QEMU'],
    row('start of the process to the prompt, s', 2, 1e-3, (run) => run.promptMs),
    row('processor time until the prompt, s', 2, 1e-3, (run) => run.promptCpuMs),
    row('peak resident memory, MB', 0, 1e-6, (run) => run.peakResidentBytes),
    row('processor at the prompt, % of a core', 2, 100, (run) => run.idleShare),
  ]);
}

function heading(result: BenchResult): string {
  const { host, versions } = result;
  const machine = `${host.processor}, ${host.cores} cores, ${Math.round(host.memoryBytes / 2 ** 30)} GiB, ${host.system}`;
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [`${result.date}  ${machine}, load ${host.load.toFixed(1)}`, ...programs].join('\n');
}

function note(result: BenchResult): string[] {
  const share = processorShare(result);
  if (share === undefined || share >= QUIET_SHARE) return [];
  const percent = Math.round(share * 100);
  const advice = result.clock === 'wall' ? '; --clock cpu compares processor times' : '';
  return [`This machine was busy: godwit had ${percent} % of a processor while kernels ran${advice}.`];
}

export function renderReport(result: BenchResult): string {
  const parts = [heading(result)];
  const clock = result.clock === 'cpu' ? 'processor times' : 'wall times';
  if (result.kernels.length > 0) {
    parts.push(`CPU suite, ${clock}, engine: ${result.engine}\n${suiteTable(result)}`);
  }
  if (result.boot.godwit.length + result.boot.qemu.length > 0) parts.push(bootTable(result));
  if (result.programs.length > 0) {
    parts.push(`Real programs on Debian, ${clock}, engine: ${result.engine}\n${programTable(result)}`);
  }
  parts.push(...note(result), ...result.problems.map((problem) => `Problem: ${problem}`));
  return `${parts.join('\n\n')}\n`;
}

/** Speeds of an earlier run beside this one. */
export function renderComparison(earlier: BenchResult, now: BenchResult): string {
  const kernelsOf = ({ kernels, programs = [] }: BenchResult): KernelResult[] => [...kernels, ...programs];
  const before = new Map(kernelsOf(earlier).map((kernel) => [kernel.name, kernelFigures(kernel, now.clock)]));
  const rows = kernelsOf(now).flatMap((kernel) => {
    const after = kernelFigures(kernel, now.clock);
    const then = before.get(kernel.name);
    if (then?.godwitMips === undefined || after.godwitMips === undefined) return [];
    const change = after.godwitMips / then.godwitMips;
    return [[kernel.name, fixed(then.godwitMips, 0), fixed(after.godwitMips, 0), fixed(change, 3)]];
  });
  return `${layOut([['kernel', `MIPS, ${earlier.date}`, 'MIPS now', 'now / then'], ...rows])}\n`;
}
