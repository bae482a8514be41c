import { invariant } from '../common/invariant.ts';
import type { Codec } from '../platform/codec.ts';
import type { CheckpointChain } from './chain.ts';
import type { CheckpointMeta } from './meta.ts';
import { PageStack } from './pages/page-stack.ts';
import { CheckpointWriter } from './write.ts';

/**
 * The first file of a chain with the pages of the others in it, as the blocks of a new file. What is compressed stays
 * so, unless pages of one chunk come from several files. A chain that does not reach down to all pages gives a file
 * that builds on what its last one builds on. `change` is made to what the file says of itself; `base` follows by
 * itself.
 */
export function* rewriteChain(
  { files }: CheckpointChain,
  codec: Codec,
  change: Partial<CheckpointMeta> = {},
): Generator<Uint8Array> {
  const writer = new CheckpointWriter(codec);
  yield* rewriteWith(writer, { files }, codec, change);
  yield writer.finish();
}

/** The same without an end, for a writer that has more to add. */
export function* rewriteWith(
  writer: CheckpointWriter,
  { files }: CheckpointChain,
  codec: Codec,
  change: Partial<CheckpointMeta>,
): Generator<Uint8Array> {
  const [top] = files;
  const bottom = files.at(-1);
  invariant(top && bottom, 'a chain has a file');
  const stack = new PageStack(
    files.map(({ pages }) => pages),
    codec,
  );
  const meta = { ...top.meta, ...change, base: bottom.meta.base };
  yield* writer.encodedHead(meta, top.stateBytes(), top.hotPages());
  for (const section of top.strangeSections()) {
    yield* writer.section(section.type, section, top.sectionBlocks(section));
  }
  const pages = writer.pages(stack.pageCount, stack.hasBase);
  for (const chunk of stack.chunks()) yield* pages.addChunk(chunk);
  yield* pages.end();
}
