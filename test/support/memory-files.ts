import { MemoryByteSource } from '../../src/checkpoint/memory-byte-source.ts';
import { type ErrorCode, GodwitError } from '../../src/common/errors.ts';
import { basename, dirname, join } from '../../src/common/paths.ts';
import type { GrowingByteSource } from '../../src/platform/byte-source.ts';
import type {
  AppendFile,
  ByteFile,
  DraftFile,
  FileInfo,
  FileLock,
  FileSource,
  FileStore,
  FolderEntry,
  FolderOwner,
  LockedFile,
  LockOptions,
  OwnedFolder,
  OwnerNote,
  WriteWholeOptions,
} from '../../src/platform/files.ts';
import { MemoryFile } from './memory-file.ts';

export interface FileContent {
  readonly identity: string;
  bytes: Uint8Array;
  /** How many share it; -1: one has it alone. */
  lock: number;
}

/** undefined: a folder. */
type Entry = FileContent | undefined;

type LockMode = 'shared' | 'exclusive';

function isFree({ lock }: FileContent, mode: LockMode): boolean {
  return mode === 'shared' ? lock >= 0 : lock === 0;
}

const DRAFT_ENDING = '.draft';
const TEMPORARY = '/temporary';

/**
 * Files in memory, as a host has them that is no Node.js: without links, modes and processes. Whatever changes them is
 * made of steps that happen or fail one by one, and a test says which fails.
 */
export class MemoryFiles implements FileStore {
  readonly dataFolder = '/data';
  private readonly entries = new Map<string, Entry>([['/', undefined]]);
  private readonly owners = new Map<string, OwnerNote>();
  private identities = 0;
  private changesValue = 0;
  private failing: { readonly at: number; readonly lasts: boolean } | undefined;

  /** How many changes there were. */
  get changes(): number {
    return this.changesValue;
  }

  /**
   * The n-th change from now on fails, counted from 1; if it `lasts`, all that follow too, as if the program had been
   * killed.
   */
  failChange(number: number, lasts: boolean): void {
    this.failing = { at: this.changesValue + number, lasts };
  }

  /** Another program takes the files over: nothing fails, and nobody has locks and folders. */
  restart(): void {
    this.failing = undefined;
    this.owners.clear();
    for (const entry of this.entries.values()) if (entry) entry.lock = 0;
  }

  /** All files as they are, for a program of its own. */
  copy(): MemoryFiles {
    const copy = new MemoryFiles();
    copy.identities = this.identities;
    for (const [path, entry] of this.entries) copy.entries.set(path, entry && { ...entry, lock: 0 });
    return copy;
  }

  /** One step, which happens or fails. */
  change<T>(action: string, step: () => T): T {
    this.changesValue++;
    const { at, lasts } = this.failing ?? { at: 0, lasts: false };
    if (at > 0 && (lasts ? this.changesValue >= at : this.changesValue === at))
      throw cannot(action, 'io', 'the host failed');
    return step();
  }

  absolute(path: string): string {
    return join('/', path);
  }

  async realPath(path: string): Promise<string> {
    this.get(path);
    return path;
  }

  async look(path: string): Promise<FileInfo | undefined> {
    if (!this.entries.has(path)) return undefined;
    const file = this.entries.get(path);
    const sizeBytes = file?.bytes.length ?? 0;
    const { identity } = file ?? { identity: path };
    return {
      kind: file ? 'file' : 'folder',
      sizeBytes,
      storedBytes: sizeBytes,
      modifiedMs: 0,
      identity,
      isProtected: false,
    };
  }

  async list(folder: string): Promise<FolderEntry[]> {
    return this.namesIn(folder).map((name) => ({
      name,
      kind: this.entries.get(join(folder, name)) ? 'file' : 'folder',
    }));
  }

  async makeFolder(path: string): Promise<void> {
    if (this.entries.has(path)) return;
    await this.makeFolder(dirname(path));
    this.change(`make the folder ${path}`, () => this.entries.set(path, undefined));
  }

  async rename(from: string, to: string): Promise<void> {
    this.get(from);
    const target = this.entries.get(to);
    if (this.entries.has(to) && !target) throw cannot(`rename ${from}`, 'usage', 'it exists already');
    this.change(`rename ${from}`, () => this.move(from, to));
  }

  async removeFile(path: string): Promise<void> {
    if (!this.entries.has(path)) return;
    this.file(path);
    this.change(`remove ${path}`, () => this.entries.delete(path));
  }

  /** Name by name: it can end between two. */
  async removeTree(path: string): Promise<void> {
    for (const inside of [...this.inside(path)].reverse()) this.remove(inside);
    if (this.entries.has(path)) this.remove(path);
  }

  async addName(path: string): Promise<string> {
    throw new GodwitError('unsupported', `${path} has one name only.`);
  }

  async protect(): Promise<void> {}

  async syncFolder(folder: string): Promise<void> {
    this.namesIn(folder);
    this.change(`flush the folder ${folder}`, () => {});
  }

  async syncFile(path: string): Promise<void> {
    this.file(path);
    this.change(`flush ${path}`, () => {});
  }

  async open(path: string, { readonly = false, create = false } = {}): Promise<LockedFile> {
    if (create) this.change(`create ${path}`, () => this.create(path));
    const content = this.file(path);
    this.lockValue(path, content, readonly ? 'shared' : 'exclusive');
    return new MemoryFile(this, path, content, readonly);
  }

  async openSource(path: string): Promise<FileSource> {
    const { bytes } = this.file(path);
    return Object.assign(new MemoryByteSource(path, bytes), { isChanged: () => false });
  }

  async openGrowing(path: string): Promise<GrowingByteSource> {
    const file = this.file(path);
    let { bytes } = file;
    return {
      name: path,
      get sizeBytes() {
        return bytes.length;
      },
      read: (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
      refresh: () => {
        ({ bytes } = file);
      },
      close: () => {},
    };
  }

  async openAppend(path: string, { replace = false } = {}): Promise<AppendFile> {
    this.change(`create ${path}`, () => {
      if (replace) this.entries.delete(path);
      this.create(path);
    });
    const file = new MemoryFile(this, path, this.file(path), true);
    return {
      append: async (bytes) => this.append(path, bytes),
      sync: () => file.sync(),
      close: async () => {},
    };
  }

  async read(path: string): Promise<Uint8Array> {
    return this.readNow(path);
  }

  readNow(path: string): Uint8Array {
    return this.file(path).bytes.slice();
  }

  async writeWhole(
    path: string,
    blocks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    { replace = false, onProgress, signal }: WriteWholeOptions = {},
  ): Promise<number> {
    return this.whole(path, replace, async (draft) => {
      this.change(`write ${path}`, () => this.create(draft));
      for await (const block of blocks) {
        if (signal?.aborted) throw new GodwitError('state', 'Writing was cancelled.');
        this.append(draft, block);
        onProgress?.(this.file(draft).bytes.length);
      }
      return this.file(draft).bytes.length;
    });
  }

  async createWhole(path: string, fill: (file: ByteFile) => Promise<void>): Promise<void> {
    await this.whole(path, false, async (draft) => {
      const file = await this.open(draft, { create: true });
      try {
        await fill(file);
      } finally {
        await file.close();
      }
    });
  }

  async lock(path: string, mode: LockMode, { create = false, waitMs = 0 }: LockOptions = {}): Promise<FileLock> {
    if (create && !this.entries.has(path)) this.change(`lock ${path}`, () => this.create(path));
    const content = this.file(path);
    const endMs = performance.now() + waitMs;
    while (!isFree(content, mode) && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 1));
    this.lockValue(path, content, mode);
    return { release: async () => this.unlock(content, mode) };
  }

  unlock(content: FileContent, mode: LockMode): void {
    content.lock -= mode === 'shared' ? 1 : -1;
  }

  async makeOwnedFolder(path: string, note: OwnerNote): Promise<OwnedFolder> {
    if (this.entries.has(path)) throw cannot(`make the folder ${path}`, 'usage', 'it exists already');
    this.get(dirname(path));
    this.change(`make the folder ${path}`, () => {
      this.entries.set(path, undefined);
      this.owners.set(path, note);
    });
    return { path, disown: async () => void this.owners.delete(path) };
  }

  async ownerOf(folder: string): Promise<FolderOwner | undefined> {
    const note = this.owners.get(folder);
    return note && { name: 'This program', note };
  }

  /** Nobody else fills drafts. */
  async sweepDrafts(folder: string, only?: string): Promise<void> {
    for (const name of this.namesIn(folder)) {
      if (isDraft(name) && (only === undefined || name.startsWith(`.${only}.`)))
        await this.removeFile(join(folder, name));
    }
  }

  async openDraft(path: string): Promise<DraftFile> {
    const draft = join(dirname(path), `.${basename(path)}.${this.identities++}${DRAFT_ENDING}`);
    const file = await this.open(draft, { create: true });
    let hasName = false;
    let isOpen = true;
    const discard = async (): Promise<void> => {
      if (!isOpen) return;
      isOpen = false;
      await file.close();
      if (!hasName) await this.removeFile(draft);
    };
    const rename = async (): Promise<void> => {
      await this.rename(draft, path);
      file.movedTo(path);
      hasName = true;
    };
    const appear = async (): Promise<void> => {
      if (this.entries.has(path)) throw cannot(`create ${path}`, 'usage', 'it exists already');
      await rename();
    };
    return Object.assign(Object.create(file) as LockedFile, { appear, replace: rename, discard, close: discard });
  }

  async makeTemporaryFolder(): Promise<string> {
    const path = join(TEMPORARY, `${this.identities++}`);
    await this.makeFolder(path);
    return path;
  }

  isTemporary(path: string): boolean {
    return path.startsWith(`${TEMPORARY}/`);
  }

  /**
   * Gives a file its name when it has all its content. Where the program lives, nothing is left of one that gets none.
   */
  private async whole<T>(path: string, replace: boolean, fill: (draft: string) => Promise<T>): Promise<T> {
    const draft = join(dirname(path), `.${basename(path)}.${this.identities++}${DRAFT_ENDING}`);
    try {
      const filled = await fill(draft);
      await this.syncFile(draft);
      if (!replace && this.entries.has(path)) throw cannot(`write ${path}`, 'usage', 'it exists already');
      await this.rename(draft, path);
      await this.syncFolder(dirname(path));
      return filled;
    } finally {
      await this.removeFile(draft).catch(() => {});
    }
  }

  private append(path: string, bytes: Uint8Array): void {
    const content = this.file(path);
    this.change(`write to ${path}`, () => {
      const longer = new Uint8Array(content.bytes.length + bytes.length);
      longer.set(content.bytes);
      longer.set(bytes, content.bytes.length);
      content.bytes = longer;
    });
  }

  private create(path: string): { set(bytes: Uint8Array): void } {
    if (this.entries.has(path)) throw cannot(`create ${path}`, 'usage', 'it exists already');
    if (this.get(dirname(path))) throw cannot(`create ${path}`, 'not-found', 'a part of its path is not a folder');
    const content: FileContent = { identity: `${this.identities++}`, bytes: new Uint8Array(0), lock: 0 };
    this.entries.set(path, content);
    return {
      set: (bytes) => {
        content.bytes = bytes.slice();
      },
    };
  }

  private move(from: string, to: string): void {
    for (const path of [from, ...this.inside(from)]) {
      this.entries.set(to + path.slice(from.length), this.entries.get(path));
      this.entries.delete(path);
    }
  }

  private remove(path: string): void {
    this.change(`remove ${path}`, () => this.entries.delete(path));
  }

  private lockValue(path: string, content: FileContent, mode: LockMode): void {
    if (!isFree(content, mode)) throw new GodwitError('locked', `${path} is in use.`);
    content.lock += mode === 'shared' ? 1 : -1;
  }

  private get(path: string): Entry {
    if (!this.entries.has(path)) throw cannot(`open ${path}`, 'not-found', 'it does not exist');
    return this.entries.get(path);
  }

  private file(path: string): FileContent {
    const content = this.get(path);
    if (!content) throw new GodwitError('usage', `${path} is not a regular file.`);
    return content;
  }

  private namesIn(folder: string): string[] {
    if (this.get(folder)) throw cannot(`read the folder ${folder}`, 'not-found', 'it is a file');
    return this.inside(folder)
      .filter((path) => dirname(path) === folder)
      .map((path) => basename(path))
      .sort();
  }

  /** Folders before what is in them. */
  private inside(folder: string): string[] {
    const start = folder === '/' ? '/' : `${folder}/`;
    return [...this.entries.keys()].filter((path) => path.startsWith(start) && path !== '/').sort();
  }
}

function isDraft(name: string): boolean {
  return name.startsWith('.') && name.endsWith(DRAFT_ENDING);
}

function cannot(action: string, code: ErrorCode, reason: string): GodwitError {
  return new GodwitError(code, `Cannot ${action}: ${reason}.`);
}
