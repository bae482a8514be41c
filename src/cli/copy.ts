/** `godwit cp`: files and folders between this computer and the guest of a machine that runs in another process. */
import { existsSync } from 'node:fs';
import { GodwitError } from '../common/errors.ts';
import { type CopyOptions, type CopyReport, copyIn, copyOut } from '../service/agent/copy.ts';
import { cancellable } from './cancellable.ts';
import { withMachine } from './machines.ts';

export interface CopyCommandOptions {
  readonly wait: number;
}

/** NAME:PATH; undefined: a path of this computer, which has "/" before a colon. */
function inGuest(text: string): { readonly name: string; readonly path: string } | undefined {
  const [, name, path] = /^([A-Za-z0-9][A-Za-z0-9._-]*):(.*)$/s.exec(text) ?? [];
  if (name === undefined || path === undefined) return undefined;
  if (path !== '') return { name, path };
  throw new GodwitError('usage', `"${text}" names no path in the guest.`, { hint: `Write ${name}:/some/path.` });
}

/** Gives the exit status. */
export async function copy(from: string, to: string, { wait }: CopyCommandOptions): Promise<number> {
  const [source, target] = [inGuest(from), inGuest(to)];
  if (!source === !target) {
    const why = source ? 'Both are in guests.' : 'Neither is in a guest.';
    const isFile = !source && (existsSync(from) || existsSync(to));
    throw new GodwitError('usage', `One of the two paths is in a guest, and the other is not. ${why}`, {
      hint: `A path in a guest is NAME:PATH, such as "${isFile ? 'machine-1' : 'web1'}:/root"; "godwit ps" lists the names.`,
    });
  }
  const { name } = (source ?? target)!;
  return await cancellable(`Copying ${from}`, async ({ signal, onProgress }) => {
    const options: CopyOptions = {
      signal,
      agentTimeoutMs: wait * 1000,
      onProgress: ({ doneBytes, totalBytes }) => onProgress(doneBytes, totalBytes),
    };
    const { skipped } = await withMachine(name, (machine): Promise<CopyReport> => {
      const { askAgent: ask } = machine;
      return target ? copyIn(ask, from, target.path, options) : copyOut(ask, source!.path, to, options);
    });
    for (const path of skipped) {
      process.stderr.write(`godwit: left out ${path}: it is neither a file, a folder nor a link\n`);
    }
  });
}
