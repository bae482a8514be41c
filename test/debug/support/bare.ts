import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MachineCore } from '../../../src/machine/core.ts';
import type { CoreOptions } from '../../../src/machine/core-options.ts';
import { bootImages } from '../../../src/machine/linux.ts';

const COMPILER = 'riscv64-linux-gnu-gcc';
const PROGRAMS = new URL('../programs/', import.meta.url).pathname;
// prettier-ignore
const FLAGS = [
  '-g',
  '-O1',
  '-march=rv64gc_zicboz',
  '-mabi=lp64d',
  '-mcmodel=medany',
  '-nostdlib',
  '-static',
  '-ffreestanding',
];

function installed(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Why tests that need these programs are skipped; undefined when all are there. */
export function missing(...programs: string[]): string | undefined {
  const absent = programs.find((program) => !installed(program));
  return absent && `${absent} is not installed`;
}

export const noCompiler = missing(COMPILER);

/** A program for a bare machine: its ELF file, and where its symbols are. */
export class BareProgram {
  readonly path: string;
  readonly image: Uint8Array;
  private readonly folder: string;
  private readonly symbols: Map<string, bigint>;

  constructor(source = 'work.c') {
    this.folder = mkdtempSync(join(tmpdir(), 'godwit-debug-'));
    this.path = join(this.folder, 'program.elf');
    const link = ['-Wl,--build-id=none', '-T', `${PROGRAMS}link.ld`];
    this.must(COMPILER, [...FLAGS, ...link, '-o', this.path, `${PROGRAMS}start.S`, `${PROGRAMS}${source}`]);
    this.image = readFileSync(this.path);
    const lines = this.must('riscv64-linux-gnu-nm', [this.path]).split('\n');
    this.symbols = new Map(
      lines.flatMap((line) => {
        const found = /^([0-9a-f]+) \w (\S+)$/.exec(line);
        return found ? [[found[2]!, BigInt(`0x${found[1]}`)] as const] : [];
      }),
    );
  }

  private must(program: string, parameters: string[]): string {
    const { status, stdout, stderr } = spawnSync(program, parameters, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${program}: ${stderr}`);
    return stdout;
  }

  symbol(name: string): bigint {
    const address = this.symbols.get(name);
    if (address === undefined) throw new Error(`the program has no ${name}`);
    return address;
  }

  create(options: Partial<CoreOptions> = {}): Promise<MachineCore> {
    return MachineCore.create({
      memoryBytes: 16 * 1024 ** 2,
      seed: new Uint8Array(32).fill(5),
      load: bootImages({ kernel: this.image }),
      ...options,
    });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
