/** Runs one of the host's programs and turns its failures into errors a person can use. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { GodwitError } from '../common/errors.ts';

/** How much of a program's standard error is kept for messages. */
const ERROR_TEXT_LIMIT = 64 * 1024;

export interface ProgramResult {
  status: number;
  stdout: string;
  stderr: string;
}

/** The environment for programs whose output is read: messages in English, and no questions. */
function programEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' };
}

/** The Debian package that holds a program. */
const PACKAGE_OF: Record<string, string> = {
  'apt-get': 'apt',
  'apt-cache': 'apt',
  'dpkg-deb': 'dpkg',
  flock: 'util-linux',
  mke2fs: 'e2fsprogs',
  debugfs: 'e2fsprogs',
};

function startError(program: string, error: NodeJS.ErrnoException): GodwitError {
  if (error.code === 'ENOENT') {
    const name = PACKAGE_OF[program] ?? program;
    return new GodwitError('not-found', `The program ${program} is not on this machine.`, {
      hint: `It is in the Debian package ${name}; on a machine that is not Debian, give godwit your own --kernel and --initrd.`,
      cause: error,
    });
  }
  return new GodwitError('io', `The program ${program} can't be started: ${error.message}.`, { cause: error });
}

/** sbin folders are not in an ordinary user's PATH, though mke2fs and debugfs live there. */
function searchPath(): string {
  return `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;
}

/** Starts a program with its output as a stream. Rejects with GodwitError if it can't be started. */
export function startProgram(
  program: string,
  args: readonly string[],
  options: { cwd?: string } = {},
): Promise<ChildProcessByStdio<null, Readable, Readable>> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...programEnvironment(), PATH: searchPath() },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(startError(program, error)));
    child.once('spawn', () => resolve(child));
  });
}

/** The exit status of a started program; 128 + the signal's number is not told apart from other failures. */
export function exitStatus(child: ChildProcessByStdio<null, Readable, Readable>): Promise<number> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) resolve(child.exitCode);
    else child.once('close', (status) => resolve(status ?? 128));
  });
}

/** Runs a program to its end and gives what it printed, whatever its status. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { cwd?: string } = {},
): Promise<ProgramResult> {
  const child = await startProgram(program, args, options);
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-ERROR_TEXT_LIMIT);
  });
  const status = await exitStatus(child);
  return { status, stdout: Buffer.concat(stdout).toString(), stderr };
}
