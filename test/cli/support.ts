/** Runs the built command line, plainly or on a terminal of its own. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** What hangs is ended after this long. */
const LIMIT_MS = 100_000;

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program whose output is waited for. */
export class Run {
  readonly child: ChildProcessWithoutNullStreams;
  /** Resolves when it has ended and its output is complete. */
  readonly ended: Promise<Ended>;
  private stdout = '';
  private stderr = '';
  private seen = 0;
  private changed: (() => void)[] = [];

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.child = spawn(command, args, { env });
    const limit = setTimeout(() => this.child.kill('SIGKILL'), LIMIT_MS);
    this.child.stdout.on('data', (data) => {
      this.stdout += data;
      for (const wake of this.changed.splice(0)) wake();
    });
    this.child.stderr.on('data', (data) => {
      this.stderr += data;
      for (const wake of this.changed.splice(0)) wake();
    });
    // Writing to what has ended.
    this.child.stdin.on('error', () => {});
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (status) => {
        clearTimeout(limit);
        for (const wake of this.changed.splice(0)) wake();
        resolve({ status, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  get output(): string {
    return this.stdout;
  }

  type(text: string): void {
    this.child.stdin.write(text);
  }

  /** Waits for a text on standard output, after the one that was found last. */
  async shows(text: string): Promise<void> {
    await this.waitFor(text, () => {
      const at = this.stdout.indexOf(text, this.seen);
      if (at >= 0) this.seen = at + text.length;
      return at >= 0;
    });
  }

  /** Waits for a text on standard error. */
  async says(text: string): Promise<void> {
    await this.waitFor(text, () => this.stderr.includes(text));
  }

  private async waitFor(text: string, isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`it ended without showing ${JSON.stringify(text)}: ${this.stdout}${this.stderr}`);
      }
      await new Promise<void>((resolve) => this.changed.push(resolve));
    }
  }
}

/** `godwit ARGUMENTS` with pipes; `input` is all that it reads. */
export async function godwit(args: readonly string[], input = ''): Promise<Ended> {
  const run = new Run(process.execPath, [MAIN, ...args]);
  run.child.stdin.end(input);
  return await run.ended;
}

/** util-linux's `script`, which gives a program a terminal. */
export const hasScript = spawnSync('script', ['--version']).status === 0;

/** A shell command on a new terminal of 30 rows and 100 columns. */
export function onTerminal(command: string): Run {
  const sized = `stty rows 30 cols 100; ${command}`;
  return new Run('script', ['-qefc', sized, '/dev/null'], { ...process.env, TERM: 'xterm', SHELL: '/bin/sh' });
}
