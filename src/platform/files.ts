/**
 * Files of a host, as what godwit does with them and not as a host's calls: OPFS has neither links nor modes, and opens
 * synchronous handles only asynchronously. Paths are absolute, with `/` between names (common/paths.ts); `absolute`
 * makes one of what a person gave. All of it throws GodwitError: 'not-found', 'denied', 'full', 'locked', 'usage' (it
 * exists already, is no regular file), 'io'.
 */
import type { Cancellation } from '../common/cancellation.ts';
import type { ByteSource, GrowingByteSource } from './byte-source.ts';

/** Random access to one file. What the disk formats are built on. */
export interface ByteFile {
  /** For messages. */
  readonly name: string;
  /** It was opened for reading only. */
  readonly readonly: boolean;
  /** In bytes. */
  size(): Promise<number>;
  /** Reads exactly `into.length` bytes; past the end of the file it gives zeros. */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Writes all of `data`, growing the file where needed. */
  write(offset: number, data: Uint8Array): Promise<void>;
  /** Makes it this long: what is beyond is gone, what is new is zeros. */
  truncate(sizeBytes: number): Promise<void>;
  /**
   * Gives a range back to the host where it can (hole punching); else writes nothing. Content becomes zeros if it
   * resolves true.
   */
  punchHole(offset: number, length: number): Promise<boolean>;
  /** Everything written before is on stable storage when it resolves. */
  sync(): Promise<void>;
  /** Calls after that reject. */
  close(): Promise<void>;
}

/** A file that is locked while it is open: shared with other readers when it is read-only, else this one's alone. */
export interface LockedFile extends ByteFile {
  /** The same for all names of one file. */
  readonly identity: string;
  /** With symbolic links resolved. */
  readonly realPath: string;
  /** The file has got another name. */
  movedTo(realPath: string): void;
  /** Lets others read the file. The caller writes no more. */
  share(): Promise<void>;
}

/** A file to read from, as it was when it was opened. */
export interface FileSource extends ByteSource {
  /** Whether somebody has written to it since, where the host can tell. */
  isChanged(): boolean;
}

/** How messages name a file. */
export interface FileWording {
  /** What it is, such as "the kernel": put before its path. */
  readonly what?: string;
}

export interface AppendOptions extends FileWording {
  /** What has the name is emptied; else that is an error. */
  readonly replace?: boolean;
  /** Other users may read it, as far as the host's settings let them; else its owner only. */
  readonly isShared?: boolean;
}

/**
 * A new file with a temporary name beside the one that it is for, and locked. It stays open and locked when it gets its
 * name.
 */
export interface DraftFile extends LockedFile {
  /** Takes the name, which nothing else must have. */
  appear(): Promise<void>;
  /** Takes the name away from what has it, in one step. */
  replace(): Promise<void>;
  /** Closes it, and removes it if it has not got its name. Nothing happens the second time. */
  discard(): Promise<void>;
}

export interface DraftOptions {
  /** Whoever may use this file may use the new one, where the host has modes. */
  readonly like?: string;
}

/** A file that is only appended to, and seen by others as it grows. */
export interface AppendFile {
  append(bytes: Uint8Array): Promise<void>;
  /** What was appended is on stable storage. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface FileInfo {
  readonly kind: 'file' | 'folder' | 'other';
  readonly sizeBytes: number;
  /** What it takes on the host's disk: less than its size where it has holes. Its size where the host does not tell. */
  readonly storedBytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
  /** The same for all names of one file. */
  readonly identity: string;
  /** Nobody is to write it: see `protect`. */
  readonly isProtected: boolean;
}

export interface FolderEntry {
  readonly name: string;
  readonly kind: FileInfo['kind'];
}

export interface WriteWholeOptions {
  /** The file may exist, and is replaced; else that is an error. */
  readonly replace?: boolean;
  /**
   * The folder is the caller's own (`makeOwnedFolder`), who flushes what is in it when all is there: the file takes no
   * lock, and is not flushed by itself.
   */
  readonly inOwnFolder?: boolean;
  /** Called with the bytes so far. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: Cancellation;
}

export interface CreateWholeOptions {
  /** It is of no use to anybody once this process has ended: nothing is flushed to stable storage. */
  readonly temporary?: boolean;
}

export interface LockOptions {
  /** How long to wait for each who has the lock or has asked for it before. 0 when not given. */
  readonly waitMs?: number;
  /**
   * Makes the file if there is none. It is for locking only: it has no other name, and no program but godwit locks it.
   */
  readonly create?: boolean;
}

export interface FileLock {
  release(): Promise<void>;
}

/** What an owner says of a folder. */
export type OwnerNote = Readonly<Record<string, string | null>>;

/** A folder that this program owns until it disowns it or ends. */
export interface OwnedFolder {
  readonly path: string;
  /** Nobody owns the folder any more: it gets another name, or goes. Never fails; a second time nothing happens. */
  disown(): Promise<void>;
}

/** Who owns a folder, and lives as far as the host can tell. */
export interface FolderOwner {
  /** For messages, as the beginning of a sentence. */
  readonly name: string;
  readonly note: OwnerNote;
}

export interface FileStore {
  /** The absolute path of what a person gave. */
  absolute(path: string): string;
  /** With symbolic links resolved. */
  realPath(path: string): Promise<string>;
  /** Undefined where there is nothing. Symbolic links are followed. */
  look(path: string): Promise<FileInfo | undefined>;
  /** By name. */
  list(folder: string): Promise<FolderEntry[]>;
  /**
   * With all folders above it; nothing happens when it is there. For its owner's eyes only, where the host has modes.
   */
  makeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Nothing happens when it is not there. */
  removeFile(path: string): Promise<void>;
  /** A file or a folder with all that is in it. Nothing happens when it is not there. */
  removeTree(path: string): Promise<void>;
  /**
   * The same file under a second name, the first of `names` that it can have: not all may be in reach. Gives that.
   * Throws GodwitError('unsupported') where a file has one name only.
   */
  addName(path: string, names: readonly string[]): Promise<string>;
  /**
   * Nobody is to write the file any more, other programs included, or may again. Where the host has a way to say that.
   */
  protect(path: string, wanted: boolean): Promise<void>;
  /** What was done to names in the folder survives a crash of the host, where the host can say so. */
  syncFolder(folder: string): Promise<void>;
  /** What anybody wrote to the file is on stable storage. */
  syncFile(path: string): Promise<void>;

  /** `create`: makes the file, which must not exist. */
  open(path: string, options?: { readonly readonly?: boolean; readonly create?: boolean }): Promise<LockedFile>;
  /** For synchronous reading. It stays readable when its name is taken away. */
  openSource(path: string, wording?: FileWording): Promise<FileSource>;
  /** The same of a file that is still appended to. */
  openGrowing(path: string): Promise<GrowingByteSource>;
  openAppend(path: string, options?: AppendOptions): Promise<AppendFile>;
  /** A whole regular file. */
  read(path: string, wording?: FileWording): Promise<Uint8Array>;
  /** The same for who cannot wait, in the midst of a machine's execution. */
  readNow(path: string): Uint8Array;

  /**
   * Writes a file that appears complete or not at all, whatever happens. Gives its size. With nothing left behind when
   * it throws; what `blocks` throws, it throws as it is.
   */
  writeWhole(
    path: string,
    blocks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options?: WriteWholeOptions,
  ): Promise<number>;
  /** The same for one that is filled by random access, and must not exist. */
  createWhole(path: string, fill: (file: ByteFile) => Promise<void>, options?: CreateWholeOptions): Promise<void>;
  /** The same for one that stays open. */
  openDraft(path: string, options?: DraftOptions): Promise<DraftFile>;
  /**
   * Removes drafts that nobody fills any more, of one file or of all in the folder. Those of killed processes stay
   * until then.
   */
  sweepDrafts(folder: string, name?: string): Promise<void>;

  /**
   * A lock on a file without opening it. Who asks first gets it first. Throws GodwitError('locked') when it waited long
   * enough. Locks of programs that have ended are free.
   */
  lock(path: string, mode: 'shared' | 'exclusive', options?: LockOptions): Promise<FileLock>;

  /** A folder that must not exist, in one that does. What it is for can be read in it before it is disowned. */
  makeOwnedFolder(path: string, note: OwnerNote): Promise<OwnedFolder>;
  /**
   * Undefined where nobody owns the folder, or nobody any more. Only as true as the caller keeps others from making
   * such folders.
   */
  ownerOf(folder: string): Promise<FolderOwner | undefined>;

  /**
   * A folder for files that nobody needs when this process has ended; those of processes that were killed are taken
   * away.
   */
  makeTemporaryFolder(): Promise<string>;
  /** Whether a file, whose path has no symbolic links, lies in such a folder. What is to last must not rest on it. */
  isTemporary(path: string): boolean;
  /** Where a user's checkpoints are kept unless told otherwise. */
  readonly dataFolder: string;
}
