#!/usr/bin/env node
/**
 * Runs all checks: lint, types of the tests, and the tests. Ends with a line that counts them, and with status 1 if one
 * failed.
 *
 *     npm test                        everything
 *     npm test -- test/disk           only the tests of files whose path holds this; lint and types are left out
 *     npm test -- -t 'two machines'   any option of vitest
 *     npm test -- --node latest       the same on another release of Node.js: "latest" or a version
 *     npm test -- --fast              the part that takes about a minute
 *
 * With CI=true in the environment and nothing else asked for, the fast part runs on the current release of Node.js as
 * well.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './setup/common.mjs';
import { NODE_LATEST, nodeRelease } from './test/node-release.mjs';
import { runGroup } from './test/run-group.mjs';
import { countLine, describeSkipped } from './test/summary.mjs';

/**
 * Folders and files of tests that together need about a minute, and have something of everything that differs between
 * releases of Node.js: WebAssembly, threads, files, sockets, compression.
 */
const FAST = [
  'test/common',
  'test/platform',
  'test/isa',
  'test/memory',
  'test/device',
  'test/snapshot',
  'test/jit/thread.test.ts',
  'test/jit/threaded.test.ts',
  'test/float/fma.test.ts',
  'test/api/machine.test.ts',
  'test/api/fork.test.ts',
  'test/checkpoint/store.test.ts',
  'test/recording/recording.test.ts',
  'test/control',
  'test/disk/live-disk.test.ts',
];

function parseArguments(args) {
  const rest = [...args];
  const fast = rest.includes('--fast');
  if (fast) rest.splice(rest.indexOf('--fast'), 1, ...FAST);
  const at = rest.indexOf('--node');
  if (at < 0) return { vitestArguments: rest, version: undefined };
  const [, version] = rest.splice(at, 2);
  if (version === undefined) throw new Error('--node needs a version, or "latest".');
  return { vitestArguments: rest, version };
}

const NO_COLOR = process.stdout.isTTY ? {} : { NO_COLOR: '1', FORCE_COLOR: undefined };

/** A check that is one program which says nothing when all is well. */
function check(node, name, script, args) {
  const result = spawnSync(node, [join(ROOT, 'node_modules', script), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...NO_COLOR },
  });
  const passed = result.status === 0;
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${name}`);
  if (!passed) console.log(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`);
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: [] };
}

/** Vitest, with a reporter of ours that notes what became of every test. */
async function runVitest(node, args) {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-test-'));
  const summaryPath = join(folder, 'summary.json');
  try {
    const script = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
    const reporters = ['--reporter=default', `--reporter=${join(ROOT, 'tools', 'test', 'reporter.mjs')}`];
    const status = await runGroup(node, [script, 'run', ...reporters, ...args], {
      ...process.env,
      ...NO_COLOR,
      GODWIT_TEST_SUMMARY: summaryPath,
    });
    return readSummary(summaryPath, status);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A run that ended badly without a failed test counts as one failure. */
function readSummary(path, status) {
  let summary;
  try {
    summary = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    summary = { passed: 0, failed: 0, skipped: [] };
  }
  if (status !== 0 && summary.failed === 0) summary.failed = 1;
  return summary;
}

async function main() {
  const { vitestArguments, version } = parseArguments(process.argv.slice(2));
  const node = version === undefined ? process.execPath : await nodeRelease(version);
  const results = [];
  if (vitestArguments.length === 0) {
    results.push(check(node, 'lint and format', '@biomejs/biome/bin/biome', ['check', '.']));
    results.push(check(node, 'types of the tests', 'typescript/bin/tsc', ['-p', 'test', '--noEmit']));
  }
  results.push(await runVitest(node, vitestArguments));
  if (process.env.CI === 'true' && process.argv.length === 2) {
    console.log(`\nThe fast part on Node.js ${NODE_LATEST}:`);
    results.push(await runVitest(await nodeRelease(NODE_LATEST), FAST));
  }
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  const skipped = results.flatMap((result) => result.skipped);
  const text = describeSkipped(skipped);
  if (text !== '') console.log(text);
  const failed = sum('failed');
  console.log(countLine(sum('passed'), failed, skipped.length));
  process.exitCode = failed === 0 ? 0 : 1;
}

try {
  await main();
} catch (error) {
  console.error(error.message);
  console.log(countLine(0, 1, 0));
  process.exitCode = 1;
}
