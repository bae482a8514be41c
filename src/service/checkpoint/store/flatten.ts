import { closeChain } from '../../../checkpoint/chain.ts';
import { rewriteChain } from '../../../checkpoint/rewrite.ts';
import { nodeCodec } from '../../../platform/node/codec.ts';
import { writeWholeFile } from '../../../platform/node/whole-file.ts';
import { openStoredChain } from './stored-chain.ts';

/** Gives a file all pages of the checkpoints in `folder` that it builds on, and its new size. */
export async function flattenFile(folder: string, path: string, signal?: AbortSignal): Promise<number> {
  const chain = openStoredChain(folder, path);
  try {
    return await writeWholeFile(path, rewriteChain(chain, nodeCodec), { replace: true, ...(signal && { signal }) });
  } finally {
    closeChain(chain);
  }
}
