// Builds guest-agent/godwit-agent, the agent that goes into guests, with a RISC-V cross compiler:
//
//     node tools/build-agent.mjs [OUTPUT]
//
// The program is kept in the repository, since those who only run godwit have no such compiler. A test builds it again
// and compares, where the compiler has the version that guest-agent/compiler names.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const COMPILER = 'riscv64-linux-gnu-gcc';
const FOLDER = join(dirname(dirname(fileURLToPath(import.meta.url))), 'guest-agent');
const FLAGS = [
  ...['-Os', '-std=gnu11', '-Wall', '-Wextra', '-Werror', '-march=rv64imac', '-mabi=lp64', '-mcmodel=medany'],
  ...[
    '-ffreestanding',
    '-fno-strict-aliasing',
    '-fno-tree-loop-distribute-patterns',
    '-fno-stack-protector',
    '-fno-pic',
    '-fno-asynchronous-unwind-tables',
    '-fno-ident',
  ],
  ...['-nostdlib', '-static', '-no-pie', '-Wl,--build-id=none', '-Wl,-z,norelro', '-Wl,-z,noexecstack', '-s'],
];

/** The first line of what the compiler says of itself; undefined when there is none. */
export function compilerVersion() {
  try {
    return execFileSync(COMPILER, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split(
      '\n',
    )[0];
  } catch {
    return undefined;
  }
}

export function buildAgent(output) {
  execFileSync(COMPILER, [...FLAGS, '-o', output, 'agent.c'], { cwd: FOLDER, stdio: 'inherit' });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const output = process.argv[2] ?? join(FOLDER, 'godwit-agent');
  buildAgent(output);
  if (process.argv[2] === undefined) writeFileSync(join(FOLDER, 'compiler'), `${compilerVersion()}\n`);
}
