import { GodwitError } from '../common/errors.ts';
import { invariant } from '../common/invariant.ts';
import type { PageSource } from '../memory/page-source.ts';
import type { Codec } from '../platform/codec.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import { PageStack } from './pages/page-stack.ts';

/** More is taken for a mistake; a store keeps its chains far shorter. */
export const MAXIMUM_CHAIN = 1024;

/** A checkpoint and those that it builds on, nearest first. Together they have all pages. */
export interface CheckpointChain {
  readonly files: readonly CheckpointFile[];
}

/**
 * Follows a checkpoint down to one that has all pages. Closes what it has opened when it throws: GodwitError 'damaged'
 * where the checkpoints do not go together, and what `openBase` throws.
 */
export function openChain(top: CheckpointFile, openBase: (id: string) => CheckpointFile): CheckpointChain {
  const files = [top];
  try {
    for (let base = baseOf(files); base !== null; base = baseOf(files)) addBase(files, base, openBase(base));
    return { files };
  } catch (error) {
    closeChain({ files });
    throw error;
  }
}

/** The same where opening a file means to wait. */
export async function openChainLater(
  top: CheckpointFile,
  openBase: (id: string) => Promise<CheckpointFile>,
): Promise<CheckpointChain> {
  const files = [top];
  try {
    for (let base = baseOf(files); base !== null; base = baseOf(files)) addBase(files, base, await openBase(base));
    return { files };
  } catch (error) {
    closeChain({ files });
    throw error;
  }
}

/** What the last of the files builds on. */
function baseOf(files: readonly CheckpointFile[]): string | null {
  const { base } = files.at(-1)!.meta;
  if (base !== null && (files.length === MAXIMUM_CHAIN || files.some(({ meta }) => meta.id === base))) {
    throw new GodwitError('damaged', `${files[0]!.name} is damaged: the checkpoints that it builds on do not end.`);
  }
  return base;
}

function addBase(files: CheckpointFile[], base: string, file: CheckpointFile): void {
  files.push(file);
  const top = files[0]!;
  if (file.meta.id !== base || file.meta.memoryBytes !== top.meta.memoryBytes) {
    throw new GodwitError('damaged', `${file.name} is not the checkpoint ${base} that ${top.name} builds on.`);
  }
}

export function closeChain({ files }: CheckpointChain): void {
  for (const file of files) file.close();
}

/** The pages of a whole chain, for a machine that starts from it. */
export class ChainPageSource implements PageSource {
  readonly hotPages: readonly number[];
  private readonly chain: CheckpointChain;
  private readonly stack: PageStack;
  private isClosed = false;

  constructor(chain: CheckpointChain, codec: Codec) {
    this.chain = chain;
    this.stack = new PageStack(
      chain.files.map(({ pages }) => pages),
      codec,
    );
    const [newest] = chain.files;
    invariant(newest, 'a chain has a file');
    this.hotPages = Array.from(newest.hotPages());
  }

  read(page: number, into: Uint8Array): boolean {
    if (this.isClosed) throw new GodwitError('state', 'The checkpoint is closed.');
    return this.stack.read(page, into);
  }

  companions(page: number): readonly number[] {
    return this.stack.companions(page);
  }

  storedPages(): Iterable<number> {
    return this.stack.storedPages();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    closeChain(this.chain);
  }
}
