import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { GodwitError } from '../../src/common/errors.ts';
import type { MemorySample } from '../memory-sample.ts';
import { ConsoleSession } from './console-session.ts';
import type { Contender, KernelRun } from './contender.ts';
import { endChild } from './end-child.ts';
import type { GodwitCommand, GodwitMessage, GodwitProcessOptions } from './godwit-thread.ts';
import { PROGRAM_ENVIRONMENT } from './program-environment.ts';

const PROCESS = fileURLToPath(new URL('./godwit-process.js', import.meta.url));

/** The suite in a godwit machine, which runs in a process of its own (godwit-process.ts). */
export class GodwitContender implements Contender {
  private readonly options: GodwitProcessOptions;
  /** Called for each sample, if `sampleMs` asks for some. */
  onSample: (sample: MemorySample) => void = () => {};
  private child: ChildProcess | undefined;
  private session: ConsoleSession | undefined;

  constructor(options: GodwitProcessOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    const env = { ...PROGRAM_ENVIRONMENT, ...process.env };
    const child = fork(PROCESS, [JSON.stringify(this.options)], { env });
    const session = new ConsoleSession((text) => child.send({ kind: 'input', text } satisfies GodwitCommand));
    child.on('message', (message) => {
      const told = message as GodwitMessage;
      if (told.kind === 'line') session.line(told.line);
      else if (told.kind === 'sample') this.onSample(told.sample);
      else session.end(told.reason);
    });
    child.on('error', (error) => session.end(`godwit's process failed: ${error.message}`));
    child.on('exit', (status, signal) => session.end(`godwit's process ended (${signal ?? `status ${status}`}).`));
    this.child = child;
    this.session = session;
    await session.ready();
  }

  async run(kernel: string, repetitions: number): Promise<KernelRun> {
    if (!this.session) throw new GodwitError('state', 'godwit is not started.');
    return this.session.run(kernel, repetitions);
  }

  async stop(): Promise<void> {
    this.session?.end('The benchmark was stopped.');
    if (this.child) await endChild(this.child);
  }
}
