/** What a running machine is made of, and what is made of that for it. */

import type { FromMachine } from '../../api/actions.ts';
import type { CheckpointProgress } from '../../api/checkpoint.ts';
import type { MachineConfiguration } from '../../api/options.ts';
import { traceMachine } from '../../api/trace/tracer.ts';
import { toWireError } from '../../api/wire-error.ts';
import type { MachineCore } from '../../machine/core.ts';
import type { PageSource } from '../../memory/page-source.ts';
import type { LiveRunner } from '../../run/live-runner.ts';
import type { OutputGate } from '../../run/output-gate.ts';
import { MachineAgent } from '../agent/machine-agent.ts';
import { imagesOf } from '../checkpoint/checkpointed-machine.ts';
import { Checkpointer, type CheckpointPlace } from '../checkpoint/checkpointer.ts';
import type { MachineDisks } from '../disk/machine-disks.ts';
import { MachineRecordings } from '../recording/machine-recordings.ts';
import type { MachineShares } from '../share/machine-shares.ts';
import type { MachineFiles } from './machine-files.ts';
import type { MachineLoop } from './machine-loop.ts';
import type { OutputMeter } from './output-meter.ts';
import type { ThreadMachines } from './thread-machines.ts';
import { TraceBuffer } from './trace-buffer.ts';

export type Send = (message: FromMachine, transfer?: ArrayBuffer[]) => void;

export interface MachineParts {
  readonly configuration: MachineConfiguration;
  readonly disks: MachineDisks;
  readonly shares: MachineShares;
  readonly core: MachineCore;
  readonly send: Send;
  readonly host: ThreadMachines;
  /** Input waits until the guest listens to its console. */
  readonly untilListening: boolean;
  /** What it boots from, when it does not go on from something else. */
  readonly files?: MachineFiles;
  /** The checkpoint that the machine goes on from. */
  readonly from?: CheckpointPlace & { readonly pages: PageSource };
  /** The last checkpoint that a forked machine comes from. */
  readonly parent?: CheckpointPlace | undefined;
  /** Stands before what it prints and writes to disks. Default: open. */
  readonly gate?: OutputGate | undefined;
}

export function makeCheckpointer({
  configuration,
  disks,
  shares,
  core,
  send,
  from,
  parent,
}: MachineParts): Checkpointer {
  const last = from && { store: from.store, id: from.id, written: core.ram.watchWrites() };
  const onProgress = (progress: CheckpointProgress) => send({ kind: 'checkpoint-progress', progress });
  return new Checkpointer(core, disks, configuration, { onProgress, last, parentPlace: parent, shares });
}

export function makeRecordings(
  { configuration, disks, shares, core, send, files }: MachineParts,
  loop: MachineLoop,
  listen: LiveRunner['listen'],
): MachineRecordings {
  const { memoryBytes, consolePort } = configuration;
  const recorder = {};
  return new MachineRecordings({
    core,
    listen,
    machine: {
      memoryBytes,
      consolePort,
      shares: shares.configured.map(({ mount }) => ({ tag: mount })),
      disks: disks.descriptions.map(({ sizeBytes, readonly, serial }) => ({ sizeBytes, readonly, serial })),
    },
    images: () => files?.read() ?? imagesOf(configuration),
    onFailure: (error) => send({ kind: 'recording-error', error: toWireError(error) }),
    hold: (held) => (held ? loop.block(recorder) : loop.release(recorder)),
  });
}

/** `send`: to the guest's agent. */
export function makeAgent(core: MachineCore, send: (bytes: Uint8Array) => void): MachineAgent {
  return new MachineAgent({
    get exists() {
      return core.board.agent !== undefined;
    },
    get isOpen() {
      return core.board.agent?.isOpen ?? false;
    },
    get guestNanoseconds() {
      return core.clock.epochNanoseconds();
    },
    send,
  });
}

/** Undefined for a machine that is not traced. */
export function makeTrace({ configuration, core, send }: MachineParts, output: OutputMeter): TraceBuffer | undefined {
  if (!configuration.trace) return undefined;
  const trace = new TraceBuffer((text) => {
    output.sent(text.length);
    send({ kind: 'trace', text });
  });
  traceMachine(core, configuration.trace, (line) => trace.write(line));
  return trace;
}
