/** `godwit checkpoint export` and `import`. */
import { cancellable } from './cancellable.ts';
import { type StoreOptions, withStore } from './checkpoint-store.ts';
import { writeAll } from './output.ts';

export interface ImportCommandOptions extends StoreOptions {
  readonly name?: string;
  readonly freshId?: boolean;
}

/** Gives the exit status. */
export async function exportToFile(reference: string, file: string, options: StoreOptions): Promise<number> {
  return await withStore(options, (store) =>
    cancellable('Exporting', (cancel) => store.export(reference, file, cancel).then(() => {})),
  );
}

/** Gives the exit status. Prints the id of the new checkpoint. */
export async function importFile(file: string, options: ImportCommandOptions): Promise<number> {
  const { name, freshId = false } = options;
  return await withStore(options, (store) =>
    cancellable('Importing', async (cancel) => {
      const id = await store.import(file, { ...cancel, freshId, ...(name === undefined ? {} : { name }) });
      await writeAll(process.stdout, `${id}\n`);
    }),
  );
}
