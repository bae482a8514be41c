import type { ImageFile } from './image-file.ts';
import { viewOf } from './layout.ts';

/** One cluster of metadata (an L2 table or a refcount block) in memory. */
export interface CachedTable {
  readonly hostOffset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Bytes that differ from the file: `dirtyFrom <= at < dirtyTo`. None where the two are equal. */
  dirtyFrom: number;
  dirtyTo: number;
  /** True until it is written for the first time. Nothing in the file points to it before that. */
  isNew: boolean;
}

/** Dirty parts are written in units that a disk writes at once. */
const SECTOR_BYTES = 512;

/**
 * Tables of one kind, by host offset. Clean ones are dropped, least recently used first, when there are more than fit
 * the budget; dirty ones stay, and their owner writes them before they become too many.
 *
 * A table may be dropped while its user waits for something else: change a table only in the same turn in which you got
 * it.
 */
export class TableCache {
  private readonly file: ImageFile;
  private readonly tableBytes: number;
  private readonly maxTables: number;
  /** In order of use, the least recent first. */
  private readonly tables = new Map<number, CachedTable>();
  private readonly loading = new Map<number, Promise<CachedTable>>();
  private readonly dirty = new Set<CachedTable>();

  constructor(file: ImageFile, tableBytes: number, budgetBytes: number) {
    this.file = file;
    this.tableBytes = tableBytes;
    this.maxTables = Math.max(8, Math.floor(budgetBytes / tableBytes));
  }

  get(hostOffset: number): CachedTable | Promise<CachedTable> {
    const table = this.tables.get(hostOffset);
    if (table === undefined) return this.loading.get(hostOffset) ?? this.load(hostOffset);
    this.tables.delete(hostOffset);
    this.tables.set(hostOffset, table);
    return table;
  }

  /** Puts a new table in place, which is written as a whole. */
  add(hostOffset: number, bytes: Uint8Array): CachedTable {
    this.forget(hostOffset);
    const table = this.insert(hostOffset, bytes);
    table.isNew = true;
    this.markDirty(table, 0, bytes.length);
    return table;
  }

  /** The cluster holds no table any more. */
  forget(hostOffset: number): void {
    this.loading.delete(hostOffset);
    const table = this.tables.get(hostOffset);
    if (table === undefined) return;
    this.tables.delete(hostOffset);
    this.dirty.delete(table);
  }

  markDirty(table: CachedTable, from: number, to: number): void {
    table.dirtyFrom = Math.min(table.dirtyFrom, from);
    table.dirtyTo = Math.max(table.dirtyTo, to);
    this.dirty.add(table);
  }

  get hasDirty(): boolean {
    return this.dirty.size > 0;
  }

  /** True when so many are dirty that the budget is about to be exceeded. */
  get isCrowded(): boolean {
    return this.dirty.size >= this.maxTables / 2;
  }

  dirtyTables(which: 'new' | 'known'): CachedTable[] {
    return [...this.dirty].filter((table) => table.isNew === (which === 'new'));
  }

  /** Writes what is dirty in a table, from and to the edges of sectors. */
  async write(table: CachedTable): Promise<void> {
    const from = Math.floor(table.dirtyFrom / SECTOR_BYTES) * SECTOR_BYTES;
    const to = Math.min(table.bytes.length, Math.ceil(table.dirtyTo / SECTOR_BYTES) * SECTOR_BYTES);
    await this.file.write(table.hostOffset + from, table.bytes.subarray(from, to));
    table.dirtyFrom = table.bytes.length;
    table.dirtyTo = 0;
    table.isNew = false;
    this.dirty.delete(table);
    this.shrink();
  }

  private load(hostOffset: number): Promise<CachedTable> {
    if (hostOffset >= this.file.endBytes) {
      return Promise.reject(this.file.damaged(`a table's place ${hostOffset} is past the end of the file`));
    }
    const bytes = new Uint8Array(this.tableBytes);
    const loading = this.file.read(hostOffset, bytes).then(
      () => {
        // A table that was put in place meanwhile is newer.
        if (this.loading.get(hostOffset) !== loading) return this.get(hostOffset);
        this.loading.delete(hostOffset);
        return this.insert(hostOffset, bytes);
      },
      (error: unknown) => {
        if (this.loading.get(hostOffset) === loading) this.loading.delete(hostOffset);
        throw error;
      },
    );
    this.loading.set(hostOffset, loading);
    return loading;
  }

  private insert(hostOffset: number, bytes: Uint8Array): CachedTable {
    const table = { hostOffset, bytes, view: viewOf(bytes), dirtyFrom: bytes.length, dirtyTo: 0, isNew: false };
    this.tables.set(hostOffset, table);
    this.shrink();
    return table;
  }

  private shrink(): void {
    if (this.tables.size <= this.maxTables) return;
    // The one just added is last: it is never the one to go.
    let excess = this.tables.size - this.maxTables;
    for (const [hostOffset, table] of this.tables) {
      if (excess === 0) return;
      if (this.dirty.has(table)) continue;
      this.tables.delete(hostOffset);
      excess--;
    }
  }
}
