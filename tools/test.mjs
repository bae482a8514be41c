#!/usr/bin/env node
/**
 * Runs all checks: lint, types of the tests, and the tests. Ends with a line that counts them, and with status 1 if one failed.
 *
 *     npm test                        everything
 *     npm test -- test/disk           only the tests of files whose path holds this; lint and types are left out
 *     npm test -- -t 'two machines'   any option of vitest
 *     npm test -- --node latest       the same on another release of Node.js: "latest" (NODE_LATEST below) or a version
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './setup/common.mjs';
import { nodeRelease } from './test/node-release.mjs';
import { runGroup } from './test/run-group.mjs';
import { countLine, describeSkipped } from './test/summary.mjs';

/** The current release of Node.js, as the npm registry knew it when this was last looked at. */
const NODE_LATEST = '26.10.0';

function parseArguments(args) {
  const at = args.indexOf('--node');
  if (at < 0) return { vitestArguments: args };
  const version = args[at + 1];
  if (version === undefined) throw new Error('--node needs a version, or "latest".');
  return {
    vitestArguments: [...args.slice(0, at), ...args.slice(at + 2)],
    version: version === 'latest' ? NODE_LATEST : version,
  };
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
