import { ShareFault } from '../../common/9p/errno.ts';
import type { SharedFile } from '../../platform/shared-folder.ts';

/** Each is a descriptor of the host. */
export const OPEN_FILES_MAXIMUM = 1024;

/** Files that a guest has open, by its numbers for them. */
export class OpenFiles {
  private readonly files = new Map<number, SharedFile>();

  get(fid: number): SharedFile | undefined {
    return this.files.get(fid);
  }

  /** Opens one. Throws ShareFault when there are too many. */
  open(fid: number, make: () => SharedFile): SharedFile {
    if (this.files.size >= OPEN_FILES_MAXIMUM) throw new ShareFault('EMFILE');
    const file = make();
    this.close(fid);
    this.files.set(fid, file);
    return file;
  }

  close(fid: number): void {
    this.files.get(fid)?.close();
    this.files.delete(fid);
  }

  closeAll(): void {
    for (const file of this.files.values()) file.close();
    this.files.clear();
  }
}
