import { closeChain } from '../../../checkpoint/chain.ts';
import { rewriteChain } from '../../../checkpoint/rewrite.ts';
import { platform } from '../../../platform/platform.ts';
import { openStoredChain } from './stored-chain.ts';

/** Gives the file of a draft all pages of the checkpoints in `folder` that it builds on, and its new size. */
export async function flattenFile(folder: string, path: string, signal?: AbortSignal): Promise<number> {
  const chain = await openStoredChain(folder, path);
  try {
    const { files, codec } = platform();
    return await files.writeWhole(path, rewriteChain(chain, codec), {
      replace: true,
      inOwnFolder: true,
      ...(signal && { signal }),
    });
  } finally {
    closeChain(chain);
  }
}
