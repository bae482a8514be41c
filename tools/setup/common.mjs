/** What the parts of the set-up share: where the checkout is, messages, and running programs. */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Something a person must put right; its message says what and how. */
export class SetupError extends Error {}

/** The line that `during` draws again and again, if it does just now. */
let drawnLine = '';

function clearLine() {
  if (drawnLine !== '') process.stderr.write('\r\x1b[K');
}

/** Progress goes to standard error, so that what a program prints stays clean. */
export function say(text) {
  clearLine();
  console.error(`godwit set-up: ${text}`);
}

const REDRAW_MS = 500;
/** Where nothing can be drawn again, that it is still at work is said so often. */
const REPEAT_MS = 20_000;

/** Says what is being done while `work` goes on, and for how long: in one line on a terminal, else in plain lines. */
export async function during(text, work) {
  const begun = performance.now();
  const seconds = () => `${Math.round((performance.now() - begun) / 1000)} s`;
  if (!process.stderr.isTTY) {
    say(text);
    const timer = setInterval(() => say(`still ${text} (${seconds()})`), REPEAT_MS);
    return await Promise.resolve(work()).finally(() => clearInterval(timer));
  }
  const draw = () => {
    clearLine();
    drawnLine = `godwit set-up: ${text} (${seconds()})`;
    process.stderr.write(drawnLine.slice(0, (process.stderr.columns || 80) - 1));
  };
  draw();
  const timer = setInterval(draw, REDRAW_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    say(`${text} (${seconds()})`);
    drawnLine = '';
  }
}

/** The path of a program, or undefined. An ordinary user's PATH often lacks the sbin folders. */
export function findProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs a program to its end without a terminal; its output is kept, and what it says on standard error shown with
 * `show`.
 */
export function run(command, args, { show = false, env = {} } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let output = '';
    const keep = (chunk) => {
      output = (output + chunk).slice(-1 << 16);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    if (show) child.stderr.pipe(process.stderr, { end: false });
    child.once('error', (error) => resolve({ status: 127, output: error.message }));
    child.once('close', (status) => resolve({ status: status ?? 128, output }));
  });
}

/** Runs a quick program and gives its status. */
export function statusOf(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status ?? 127;
}

/** The lines of a failed program's output that say what is wrong. */
export function lastLines(output, count = 8) {
  return output
    .trim()
    .split('\n')
    .slice(-count)
    .map((line) => `  ${line}`)
    .join('\n');
}

const LEAST_FREE_BYTES = 4 * 1024 ** 2;

/** True when next to nothing is left where the checkout is. */
export function diskIsFull() {
  const { bavail, bsize } = statfsSync(ROOT);
  return bavail * bsize < LEAST_FREE_BYTES;
}

/** Turns the ways in which writing to the checkout fails into sentences; undefined for other failures. */
export function writeProblem(output) {
  if (/ENOSPC|EDQUOT|no space left/i.test(output) || diskIsFull())
    return 'The disk is full; free some space and try again.';
  if (/EACCES|EPERM|EROFS|permission denied|read-only file system/i.test(output)) {
    return `${ROOT} can't be written by this user; it may have been set up by another one (change its owner with chown).`;
  }
  return undefined;
}
