/** `godwit checkpoint list` and `show`. */
import { formatByteSize } from '../api/index.ts';
import type { CheckpointDetails, CheckpointNode, CheckpointSummary } from '../service/checkpoint/store/index.ts';
import { type StoreOptions, withStore } from './checkpoint-store.ts';
import { writeAll } from './output.ts';
import { table } from './table.ts';

const ID_DIGITS = 8;

export interface ListOptions extends StoreOptions {
  readonly json?: boolean;
}

export async function listCheckpoints(options: ListOptions): Promise<void> {
  await withStore(options, async (store) => {
    if (options.json) await writeAll(process.stdout, `${JSON.stringify(await store.list(), bigintsAsText, 2)}\n`);
    else {
      const tree = await store.tree();
      if (tree.length === 0) process.stderr.write(`There are no checkpoints in ${store.folder}.\n`);
      else await writeAll(process.stdout, drawTree(tree));
    }
  });
}

/** One line for each checkpoint, those that a machine made later under the one that it came from. */
export function drawTree(tree: readonly CheckpointNode[]): string {
  const rows = [...rowsOf(tree, '', true)];
  return table(['NAME', 'ID', 'CREATED', 'MEMORY', 'SIZE', ''], rows);
}

function* rowsOf(nodes: readonly CheckpointNode[], indent: string, isRoot: boolean): Generator<string[]> {
  for (const [index, { checkpoint, children }] of nodes.entries()) {
    const isLast = index === nodes.length - 1;
    const branch = isRoot ? '' : isLast ? '└─ ' : '├─ ';
    yield rowOf(checkpoint, `${indent}${branch}`);
    const below = isRoot ? '' : isLast ? '   ' : '│  ';
    yield* rowsOf(children, `${indent}${below}`, false);
  }
}

function rowOf(
  { id, name, createdAtMs, memoryBytes, sizeBytes, complete, restorable }: CheckpointSummary,
  branch: string,
): string[] {
  return [
    `${branch}${name ?? '-'}`,
    id.slice(0, ID_DIGITS),
    formatTime(createdAtMs),
    formatByteSize(memoryBytes),
    formatByteSize(sizeBytes),
    complete ? '' : restorable ? 'its place in the tree is damaged; it can be restored' : 'DAMAGED',
  ];
}

/** In the user's time zone: "2026-11-23 14:25:30". */
export function formatTime(ms: number): string {
  const time = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

export interface ShowOptions extends StoreOptions {
  readonly json?: boolean;
}

export async function showCheckpoint(reference: string, options: ShowOptions): Promise<void> {
  await withStore(options, async (store) => {
    const details = await store.show(reference);
    if (options.json) {
      const { meta, ...rest } = details;
      const facts = { ...rest, tool: meta?.tool ?? null, disks: meta?.disks ?? [], rests: meta?.rests ?? [] };
      await writeAll(process.stdout, `${JSON.stringify(facts, bigintsAsText, 2)}\n`);
      return;
    }
    const names = new Map((await store.list()).map(({ id, name }) => [id, name]));
    await writeAll(
      process.stdout,
      describeDetails(details, (id) => names.get(id) ?? id),
    );
  });
}

function describeDetails(details: CheckpointDetails, nameOf: (id: string) => string): string {
  const { id, name, parent, base, createdAtMs, memoryBytes, point, sizeBytes, folder, meta, children, problem } =
    details;
  const lines: [string, string][] = [
    ['Name', name ?? '-'],
    ['Id', id],
    ['Created', formatTime(createdAtMs)],
    ['Memory', formatByteSize(memoryBytes)],
    ['Size', formatByteSize(sizeBytes)],
    ['Point', `branch ${point.branches}, pc 0x${point.pc.toString(16)}, hart ${point.hart}`],
    ['Parent', parent === null ? '-' : nameOf(parent)],
    ['Children', children.map(nameOf).join(', ') || '-'],
    ['Shares pages of', base === null ? '-' : nameOf(base)],
    ['Folder', folder],
    ['Made by', meta?.tool ?? '-'],
  ];
  for (const [index, disk] of (meta?.disks ?? []).entries()) {
    const use = disk.readonly ? ', only read' : '';
    lines.push([`Disk ${index}`, `${disk.path} (${disk.format}, ${formatByteSize(disk.sizeBytes)}${use})`]);
    for (const under of disk.backing) lines.push(['', `over ${under}`]);
  }
  for (const { path, use, how } of meta?.rests ?? [])
    lines.push([how === 'kept' ? 'Keeps' : 'Pins', `${path} (${use})`]);
  if (problem !== undefined) lines.push(['Problem', problem]);
  const width = Math.max(...lines.map(([what]) => what.length));
  return lines.map(([what, value]) => `${what.padEnd(width)}  ${value}\n`).join('');
}

export function bigintsAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}
