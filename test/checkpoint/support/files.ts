import { CheckpointFile } from '../../../src/checkpoint/checkpoint-file.ts';
import { MemoryByteSource } from '../../../src/checkpoint/memory-byte-source.ts';
import type { CheckpointMeta } from '../../../src/checkpoint/meta.ts';
import { checkpointBlocks } from '../../../src/checkpoint/page-batches.ts';
import type { MemorySnapshot } from '../../../src/memory/snapshot.ts';
import type { Codec } from '../../../src/platform/codec.ts';
import type { PlainData } from '../../../src/state/plain-data.ts';
import { portableCodec } from '../../../src/state/portable-codec.ts';
import { PAGE } from './memory.ts';

export function idOf(number: number): string {
  return number.toString(16).padStart(16, '0');
}

export function metaOf(memoryPages: number, change: Partial<CheckpointMeta> = {}): CheckpointMeta {
  return {
    id: idOf(1),
    name: null,
    parent: null,
    base: null,
    createdAtMs: 1_800_000_000_000,
    tool: 'godwit test',
    board: 'virt-1',
    memoryBytes: memoryPages * PAGE,
    point: { hart: 0, branches: 2n ** 63n + 5n, pc: 0xffff_ffff_8000_0000n },
    machine: { append: 'console=ttyS0', seed: new Uint8Array([1, 2, 3]) },
    disks: [],
    ...change,
  };
}

export function join(blocks: Iterable<Uint8Array>): Uint8Array {
  // Blocks may be views of buffers that are filled anew: they are copied at once.
  const copies = Array.from(blocks, (block) => block.slice());
  return new Uint8Array(Buffer.concat(copies));
}

export interface FileContent {
  readonly meta: CheckpointMeta;
  readonly memory: MemorySnapshot;
  readonly state?: PlainData;
  readonly hotPages?: readonly number[];
}

export function fileOf({ meta, memory, state = { hart: 1n }, hotPages = [] }: FileContent, codec: Codec): Uint8Array {
  return join(checkpointBlocks({ meta, state, hotPages }, memory, codec));
}

export function openBytes(bytes: Uint8Array, codec: Codec = portableCodec): CheckpointFile {
  return CheckpointFile.open(new MemoryByteSource('the file', bytes), codec);
}
