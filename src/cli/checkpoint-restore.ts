/** `godwit checkpoint restore`: a machine that goes on from a checkpoint, on this terminal until it ends. */
import { resolve } from 'node:path';
import type { ContinueOptions } from '../api/checkpoint.ts';
import { bootChangesOf } from '../service/checkpoint/rests.ts';
import { Machine } from '../service/machine/machine.ts';
import { type StoreOptions, withStore } from './checkpoint-store.ts';
import { continueOptionsOf } from './continue-options.ts';
import { Session, type SessionFacts, type SessionOptions } from './session.ts';
import { refuseSessionNonsense } from './session-options.ts';
import { terminalSize } from './terminal.ts';

export interface RestoreCommandOptions extends StoreOptions, SessionOptions, ContinueOptions {
  readonly disks?: string;
}

/** Gives the exit status: the guest's. */
export async function restoreCheckpoint(reference: string, options: RestoreCommandOptions): Promise<number> {
  const { store, disks } = options;
  refuseSessionNonsense(options);
  const facts = await factsOf(reference, options);
  const machine = await Machine.restore(reference, {
    ...continueOptionsOf(options),
    ...(store === undefined ? {} : { store }),
    ...(disks === undefined ? {} : { diskFolder: resolve(disks) }),
  });
  // Of this terminal, which may be another one than the guest knows.
  const size = terminalSize(process.stdout);
  if (size) await machine.console.resize(size.columns, size.rows);
  return await new Session(machine, options, facts).run();
}

/** What others are told of a machine that goes on from there. */
export async function factsOf(reference: string, { store, disks }: RestoreCommandOptions): Promise<SessionFacts> {
  return await withStore({ ...(store === undefined ? {} : { store }) }, async (opened) => {
    const { memoryBytes, meta } = await opened.show(reference);
    for (const change of await bootChangesOf(meta ?? {})) {
      process.stderr.write(`godwit: ${change}\n`);
    }
    const images = meta?.disks ?? [];
    const paths = images.map(({ path, readonly }, index) =>
      readonly || disks === undefined ? opened.diskPath(path) : resolve(disks, `disk${index}.qcow2`),
    );
    return { console: consoleOf(meta?.machine), memoryBytes, disks: paths };
  });
}

function consoleOf(machine: unknown): string {
  const port = typeof machine === 'object' && machine !== null && 'consolePort' in machine ? machine.consolePort : '';
  return port === 'virtio' ? 'virtio' : 'uart';
}
