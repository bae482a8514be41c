/**
 * A folder of the host that a guest works in. What the guest names is below the folder: names are looked up one by one,
 * and symbolic links are never followed, whoever puts one there at which moment. Names are strings with one character,
 * 0 to 255, for each byte. All of it throws ShareFault for what the guest is to be told.
 */
import type { SharePath } from '../common/9p/fid-table.ts';

export interface NodeInfo {
  /** 'other': pipes, sockets and devices, which are shown and never opened. */
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** As Linux has it, with the kind. */
  readonly mode: number;
  /** The same for all names of one file; another for each file of the shared folder. */
  readonly number: bigint;
  readonly linkCount: bigint;
  /** It belongs to the user that this program runs as, or to that user's group. */
  readonly isOwn: boolean;
  readonly isOwnGroup: boolean;
  readonly sizeBytes: bigint;
  readonly blockBytes: bigint;
  /** Of 512 bytes. */
  readonly blocks: bigint;
  /** Nanoseconds since 1970: read last, content changed, attributes changed, made. */
  readonly accessedNs: bigint;
  readonly modifiedNs: bigint;
  readonly changedNs: bigint;
  readonly bornNs: bigint;
}

export interface ListedNode {
  readonly name: string;
  readonly kind: NodeInfo['kind'];
}

export interface FileAccess {
  readonly read: boolean;
  readonly write: boolean;
  /** Writes go to its end, wherever they are for. */
  readonly append: boolean;
}

/** What is left out stays. */
export interface NodeChanges {
  /** Of the lower bits: permissions and the sticky bit. */
  readonly mode?: number;
  readonly sizeBytes?: number;
  /** 'now': by the host's clock. */
  readonly accessedNs?: bigint | 'now';
  readonly modifiedNs?: bigint | 'now';
}

/** Of the file system. */
export interface SpaceInfo {
  readonly blockBytes: bigint;
  readonly blocks: bigint;
  readonly freeBlocks: bigint;
  readonly availableBlocks: bigint;
  readonly files: bigint;
  readonly freeFiles: bigint;
}

export interface SharedFile {
  look(): NodeInfo;
  /** Gives how many bytes there were: fewer only at the end of the file. */
  read(offset: number, into: Uint8Array): Promise<number>;
  write(offset: number, data: Uint8Array): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /** What was written is on stable storage. `contentOnly`: without times. */
  sync(contentOnly: boolean): Promise<void>;
  close(): void;
}

export interface SharedFolder {
  /** Of a link itself. */
  look(path: SharePath): NodeInfo;
  /** Of what has these names in a folder; undefined for what is not there. */
  lookAll(folder: SharePath, names: readonly string[]): (NodeInfo | undefined)[];
  /** Regular files only. `truncate`: it is emptied. */
  open(path: SharePath, access: FileAccess, truncate: boolean): SharedFile;
  /** A file that is not there yet. */
  create(path: SharePath, access: FileAccess, mode: number): SharedFile;
  /** Without "." and "..". */
  list(path: SharePath): Promise<ListedNode[]>;
  makeFolder(path: SharePath, mode: number): Promise<void>;
  makeLink(path: SharePath, target: string): Promise<void>;
  readLink(path: SharePath): Promise<string>;
  /** A second name for a file. */
  addName(path: SharePath, name: SharePath): Promise<void>;
  /** In one step, also onto what is there. */
  rename(from: SharePath, to: SharePath): Promise<void>;
  removeFile(path: SharePath): Promise<void>;
  /** An empty one. */
  removeFolder(path: SharePath): Promise<void>;
  change(path: SharePath, changes: NodeChanges): Promise<void>;
  space(): Promise<SpaceInfo>;
  /** What was done to names in a folder is on stable storage. */
  syncFolder(path: SharePath): Promise<void>;
  close(): void;
}

export interface SharedFolders {
  /** Throws GodwitError for what is no folder, or where the host cannot keep a guest inside one. */
  open(path: string): Promise<SharedFolder>;
}
