/** Files and folders of the host with all that is in them, on their way to a guest or from one. */

export interface TreeEntry {
  /** 'folder-end' comes behind what is in the folder. */
  readonly kind: 'file' | 'folder' | 'folder-end' | 'link';
  /** Relative to what is copied, which itself has the name "". */
  readonly name: string;
  /** The low 12 bits. */
  readonly mode: number;
  /** Of its last change, since 1970. */
  readonly seconds: number;
  /** What a file has when it is opened. */
  readonly sizeBytes: number;
}

export interface SourceEntry extends TreeEntry {
  /** What a link points to. */
  readonly target?: string;
  /** Of a file. */
  readonly content?: AsyncIterable<Uint8Array>;
}

/** Where files are written, each whole or not at all. Nothing is written outside, whatever the names are. */
export interface TreeTarget {
  /** Throws GodwitError. */
  take(entry: SourceEntry): Promise<void>;
}

export interface HostTrees {
  /** The last part of a path, under which a copy of it is put into a folder. */
  nameOf(path: string): string;
  /**
   * All that is at a path, folders before what is in them. `skipped`: paths of what is neither file, folder nor link.
   * Throws GodwitError.
   */
  read(path: string, skipped: (path: string) => void): AsyncIterable<SourceEntry>;
  /** Into the folder `path` under the name `name`, or as `path`, if that is no folder. Throws GodwitError. */
  target(path: string, name: string): Promise<TreeTarget>;
}
