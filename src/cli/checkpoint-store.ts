/** What the commands of `godwit checkpoint` do with the store: deleting, renaming, verifying. */
import { formatByteSize } from '../api/index.ts';
import { CheckpointStore, type VerifyReport } from '../service/checkpoint/store/index.ts';
import { EXIT_FAILURE } from './errors.ts';
import { writeAll } from './output.ts';

export interface StoreOptions {
  readonly store?: string;
}

export async function withStore<T>(
  { store }: StoreOptions,
  action: (store: CheckpointStore) => Promise<T>,
): Promise<T> {
  const opened = await CheckpointStore.open(store === undefined ? {} : { folder: store });
  try {
    return await action(opened);
  } finally {
    await opened.close();
  }
}

/** All of them, or none when one is not there. */
export async function deleteCheckpoints(references: readonly string[], options: StoreOptions): Promise<void> {
  await withStore(options, async (store) => {
    const ids = new Set<string>();
    for (const reference of references) ids.add(await store.resolve(reference));
    for (const id of ids) await store.delete(id);
  });
}

export async function renameCheckpoint(reference: string, name: string, options: StoreOptions): Promise<void> {
  await withStore(options, (store) => store.rename(reference, name));
}

export interface VerifyOptions extends StoreOptions {
  readonly json?: boolean;
}

/** Gives the exit status: 1 when something is wrong with any. */
export async function verifyCheckpoints(references: readonly string[], options: VerifyOptions): Promise<number> {
  return await withStore(options, async (store) => {
    const all = await store.list();
    const wanted = references.length > 0 ? references : all.map(({ id }) => id);
    const reports: (VerifyReport & { name: string | null })[] = [];
    for (const reference of wanted) {
      const report = await store.verify(reference);
      const named = { ...report, name: all.find(({ id }) => id === report.id)?.name ?? null };
      reports.push(named);
      if (!options.json) await writeAll(process.stdout, describeReport(named));
    }
    if (options.json) await writeAll(process.stdout, `${JSON.stringify(reports, null, 2)}\n`);
    return reports.every(({ problems }) => problems.length === 0) ? 0 : EXIT_FAILURE;
  });
}

function describeReport({ id, name, problems, notes, checkedBytes }: VerifyReport & { name: string | null }): string {
  const what = name ?? id;
  const first = problems.length === 0 ? [`whole (${formatByteSize(checkedBytes)} read)`] : problems;
  return [...first, ...notes].map((line) => `${what}: ${line}\n`).join('');
}
