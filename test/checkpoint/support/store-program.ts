import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'vite';

/** Builds store-user.ts into a folder; its path. */
export async function buildStoreUser(folder: string): Promise<string> {
  await build({
    configFile: false,
    logLevel: 'silent',
    ssr: { noExternal: true },
    build: {
      ssr: join(import.meta.dirname, 'store-user.ts'),
      outDir: folder,
      emptyOutDir: false,
      rollupOptions: { output: { entryFileNames: 'user.mjs' } },
    },
  });
  return join(folder, 'user.mjs');
}

/** The store as it is built, which has a host and a thread to go with it. */
export const BUILT_STORE = pathToFileURL(join(import.meta.dirname, '../../../dist/node.js')).href;
