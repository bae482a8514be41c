/**
 * A vitest reporter. It counts the tests and writes the result to the file that GODWIT_TEST_SUMMARY names, and it ends
 * a run in which nothing happens any more: a test that never yields blocks vitest's own timeouts.
 */
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';

const SILENCE_LIMIT_MS = 15 * 60_000;
const EXIT_STALLED = 3;

export default class SummaryReporter {
  passed = 0;
  failed = 0;
  skipped = [];
  running = new Set();
  timer = undefined;

  onTestRunStart() {
    this.alive();
  }

  onTestModuleStart(module) {
    this.running.add(module.moduleId);
    this.alive();
  }

  onTestCaseResult(test) {
    const { state, note } = test.result();
    if (state === 'passed') this.passed++;
    else if (state === 'failed') this.failed++;
    else {
      const file = relative(process.cwd(), test.module.moduleId);
      this.skipped.push({ file, name: note ? `${test.fullName} (${note})` : test.fullName });
    }
    this.alive();
  }

  onTestModuleEnd(module) {
    this.running.delete(module.moduleId);
    this.alive();
  }

  onTestRunEnd(modules, unhandledErrors) {
    clearTimeout(this.timer);
    // Errors outside of tests: in a file's own code, in a hook around a group, after the tests.
    const broken = modules.filter((module) => module.state() === 'failed' && !hasFailedTest(module));
    this.failed += broken.length + unhandledErrors.length;
    this.write();
  }

  alive() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.stalled(), SILENCE_LIMIT_MS);
  }

  stalled() {
    const files = [...this.running].map((id) => relative(process.cwd(), id));
    console.error(`No test ended for ${SILENCE_LIMIT_MS / 60_000} minutes. Running: ${files.join(', ')}`);
    this.failed += Math.max(1, files.length);
    this.write();
    process.exit(EXIT_STALLED);
  }

  write() {
    const path = process.env.GODWIT_TEST_SUMMARY;
    const { passed, failed, skipped } = this;
    if (path) writeFileSync(path, JSON.stringify({ passed, failed, skipped }));
  }
}

function hasFailedTest(module) {
  for (const _ of module.children.allTests('failed')) return true;
  return false;
}
