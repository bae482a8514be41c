/**
 * Answers the requests of a guest to a shared folder: a server for 9P2000.L. Everything in a request is what a guest
 * chose; whatever it is, the answer is one, and what it costs is bounded.
 */
import { ERRNO, ShareFault } from '../../common/9p/errno.ts';
import {
  type Fid,
  FidTable,
  readName,
  readWalkNames,
  requireShort,
  type SharePath,
  walked,
} from '../../common/9p/fid-table.ts';
import * as P from '../../common/9p/layout.ts';
import { errorReply, MessageReader, MessageWriter, tagOf, writeHeader } from '../../common/9p/message.ts';
import type { FileAccess, NodeChanges, NodeInfo, SharedFile, SharedFolder } from '../../platform/shared-folder.ts';
import { writeAttributes, writeQid, writeSpace } from './attributes.ts';
import { type Listing, Listings, namesThatFit, writeEntries } from './listing.ts';
import { OpenFiles } from './open-files.ts';

const VERSION = '9P2000.L';
const UNKNOWN_VERSION = 'unknown';
/** Less would not hold an answer. Linux asks for 4 KiB at least. */
const LEAST_MESSAGE_BYTES = 4096;
const LISTINGS_MAXIMUM = 8;
/** Permissions and the sticky bit: a guest cannot make a program that runs as somebody else on the host. */
const MODE_MASK = 0o1777;
const NS_PER_SECOND = 1_000_000_000n;
const LOCK_SUCCESS = 0;
const LOCK_UNLOCKED = 2;
/** Of T_READDIR's and T_READ's answers. */
const COUNT_BYTES = 4;

export interface ShareServerParts {
  readonly folder: SharedFolder;
  /** The guest changes nothing. */
  readonly readonly: boolean;
  /** What the guest's numbers stand for, when it goes on from a state. */
  readonly session?: FidTable;
}

/** One request, as its handler gets it. */
interface Request {
  readonly reader: MessageReader;
  readonly tag: number;
  /** So many bytes the answer may have. */
  readonly roomBytes: number;
}

type Handler = (request: Request) => MessageWriter | Uint8Array | Promise<MessageWriter | Uint8Array>;

export class ShareServer {
  private readonly folder: SharedFolder;
  private readonly readonly: boolean;
  private readonly fids: FidTable;
  private readonly files = new OpenFiles();
  private readonly listings = new Listings(LISTINGS_MAXIMUM);
  private messageBytes = P.MESSAGE_BYTES_MAXIMUM;

  constructor({ folder, readonly, session }: ShareServerParts) {
    this.folder = folder;
    this.readonly = readonly;
    this.fids = session?.copy() ?? new FidTable();
  }

  /** One request at a time. What is thrown is a mistake of ours. */
  async answer(message: Uint8Array, replyBytesMaximum: number): Promise<Uint8Array> {
    const tag = tagOf(message);
    const reply = await this.tryAnswer(message, tag, replyBytesMaximum);
    const fits = reply.length <= replyBytesMaximum ? reply : errorReply(tag, ERRNO.EPROTO);
    this.fids.apply(message, fits);
    this.settle(message);
    return fits;
  }

  /** What is not open any more, or was not opened after all, keeps nothing open here. */
  private settle(message: Uint8Array): void {
    if (message.length < P.HEADER_BYTES + 4) return;
    const fid = new MessageReader(message).u32();
    if (this.fids.get(fid)?.flags !== undefined) return;
    this.files.close(fid);
    this.listings.forget(fid);
  }

  private async tryAnswer(message: Uint8Array, tag: number, replyBytesMaximum: number): Promise<Uint8Array> {
    const type = message[P.HEADER_TYPE] ?? 0;
    try {
      const handler = this.handlers[type];
      if (!handler) throw new ShareFault('EOPNOTSUPP');
      if (this.readonly && CHANGING.has(type)) throw new ShareFault('EROFS');
      const reader = new MessageReader(messageOf(message));
      const roomBytes = Math.min(replyBytesMaximum, this.messageBytes);
      const answer = await handler({ reader, tag, roomBytes });
      return answer instanceof MessageWriter ? answer.finish(type + 1, tag) : answer;
    } catch (error) {
      if (!(error instanceof ShareFault)) throw error;
      return errorReply(tag, error.errno);
    }
  }

  /** The session is over. */
  reset(): void {
    this.fids.clear();
    this.files.closeAll();
    this.listings.clear();
  }

  close(): void {
    this.reset();
    this.folder.close();
  }

  private readonly handlers: { readonly [type: number]: Handler } = {
    [P.T_VERSION]: ({ reader }) => this.version(reader),
    [P.T_ATTACH]: ({ reader }) => this.attach(reader),
    [P.T_WALK]: ({ reader }) => this.walk(reader),
    [P.T_GETATTR]: ({ reader }) => writeAttributes(new MessageWriter(), this.lookAt(reader.u32())),
    [P.T_SETATTR]: ({ reader }) => this.setAttributes(reader),
    [P.T_LOPEN]: ({ reader }) => this.open(reader),
    [P.T_LCREATE]: ({ reader }) => this.create(reader),
    [P.T_READ]: (request) => this.read(request),
    [P.T_WRITE]: ({ reader }) => this.write(reader),
    [P.T_READDIR]: (request) => this.readFolder(request),
    [P.T_READLINK]: async ({ reader }) =>
      new MessageWriter().text(await this.folder.readLink(this.pathOf(reader.u32()))),
    [P.T_MKDIR]: ({ reader }) => this.makeFolder(reader),
    [P.T_SYMLINK]: ({ reader }) => this.makeLink(reader),
    [P.T_MKNOD]: ({ reader }) => this.makeNode(reader),
    [P.T_LINK]: ({ reader }) => this.addName(reader),
    [P.T_RENAME]: ({ reader }) => this.rename(this.pathOf(reader.u32()), this.below(reader)),
    [P.T_RENAMEAT]: ({ reader }) => this.rename(this.below(reader), this.below(reader)),
    [P.T_UNLINKAT]: ({ reader }) => this.unlink(reader),
    [P.T_REMOVE]: ({ reader }) => this.remove(reader.u32()),
    [P.T_FSYNC]: ({ reader }) => this.sync(reader),
    [P.T_STATFS]: ({ reader }) => this.space(reader.u32()),
    [P.T_LOCK]: ({ reader }) => this.lock(reader.u32()),
    [P.T_GETLOCK]: ({ reader }) => this.getLock(reader),
    [P.T_CLUNK]: ({ reader }) => this.clunk(reader.u32()),
    // Requests are served one after the other, so what was to be given up has been answered.
    [P.T_FLUSH]: () => new MessageWriter(),
  };

  private version(reader: MessageReader): MessageWriter {
    const asked = reader.u32();
    const version = reader.text();
    if (asked < LEAST_MESSAGE_BYTES) throw new ShareFault('EINVAL');
    this.reset();
    this.messageBytes = Math.min(asked, P.MESSAGE_BYTES_MAXIMUM);
    return new MessageWriter().u32(this.messageBytes).text(version === VERSION ? VERSION : UNKNOWN_VERSION);
  }

  private attach(reader: MessageReader): MessageWriter {
    this.requireFree(reader.u32(), []);
    return writeQid(new MessageWriter(), this.folder.look([]));
  }

  private walk(reader: MessageReader): MessageWriter {
    const from = reader.u32();
    const newFid = reader.u32();
    const names = readWalkNames(reader);
    const path = this.pathOf(from);
    if (newFid === from) this.requireClosed(from);
    else this.requireFree(newFid, requireShort([...path, ...names]));
    const found = this.lookAlong(path, names);
    const answer = new MessageWriter().u16(found.length);
    for (const info of found) writeQid(answer, info);
    return answer;
  }

  /** What is on the way, as far as it goes. Throws ShareFault when the first step fails. */
  private lookAlong(path: SharePath, names: readonly string[]): NodeInfo[] {
    const found: NodeInfo[] = [];
    if (names.length === 0) this.folder.look(path);
    for (let count = 1; count <= names.length; count++) {
      try {
        found.push(this.folder.look(walked(path, names.slice(0, count))));
      } catch (error) {
        if (count === 1 || !(error instanceof ShareFault)) throw error;
        break;
      }
    }
    return found;
  }

  private fid(fid: number): Fid {
    const found = this.fids.get(fid);
    if (!found) throw new ShareFault('EBADF');
    return found;
  }

  private pathOf(fid: number): SharePath {
    const { path } = this.fid(fid);
    if (!path) throw new ShareFault('ENOENT');
    return path;
  }

  /** Reads a folder's number and the name of something in it. */
  private below(reader: MessageReader): SharePath {
    const folder = this.pathOf(reader.u32());
    return requireShort([...folder, readName(reader)]);
  }

  private requireFree(fid: number, path: SharePath): void {
    if (this.fids.get(fid)) throw new ShareFault('EINVAL');
    if (!this.fids.hasRoomFor(path)) throw new ShareFault('ENFILE');
  }

  private requireClosed(fid: number): void {
    if (this.fid(fid).flags !== undefined) throw new ShareFault('EBADF');
  }

  /** The open file, opened again where this server goes on from a state. Undefined for what is no file, or not open. */
  private openFile(fid: number): SharedFile | undefined {
    const { path, flags } = this.fid(fid);
    const file = this.files.get(fid);
    if (file || flags === undefined) return file;
    // Removed, and this server has never had it open.
    if (!path) throw new ShareFault('ESTALE');
    if (this.folder.look(path).kind !== 'file') return undefined;
    return this.files.open(fid, () => this.folder.open(path, accessOf(flags), false));
  }

  private requireOpenFile(fid: number): SharedFile {
    const file = this.openFile(fid);
    if (!file) throw new ShareFault(this.fid(fid).flags === undefined ? 'EBADF' : 'EISDIR');
    return file;
  }

  private lookAt(fid: number): NodeInfo {
    return this.openFile(fid)?.look() ?? this.folder.look(this.pathOf(fid));
  }

  private open(reader: MessageReader): MessageWriter {
    const fid = reader.u32();
    const flags = reader.u32();
    this.requireClosed(fid);
    const path = this.pathOf(fid);
    const access = accessOf(flags);
    const truncates = (flags & P.OPEN_TRUNCATE) !== 0;
    if (this.readonly && (access.write || truncates)) throw new ShareFault('EROFS');
    const info = this.folder.look(path);
    if (info.kind === 'folder') {
      if (access.write) throw new ShareFault('EISDIR');
      return writeQid(new MessageWriter(), info).u32(0);
    }
    const file = this.files.open(fid, () => this.folder.open(path, access, truncates));
    return writeQid(new MessageWriter(), file.look()).u32(0);
  }

  private create(reader: MessageReader): MessageWriter {
    const fid = reader.u32();
    const name = readName(reader);
    const flags = reader.u32();
    const mode = reader.u32() & MODE_MASK;
    this.requireClosed(fid);
    const path = requireShort([...this.pathOf(fid), name]);
    if (!this.fids.hasRoomFor(path)) throw new ShareFault('ENFILE');
    const file = this.files.open(fid, () => this.createOrOpen(path, flags, mode));
    return writeQid(new MessageWriter(), file.look()).u32(0);
  }

  /** A file that the host has made since the guest looked is as good as one that the guest makes. */
  private createOrOpen(path: SharePath, flags: number, mode: number): SharedFile {
    const access = accessOf(flags);
    try {
      return this.folder.create(path, access, mode);
    } catch (error) {
      const exists = error instanceof ShareFault && error.errno === ERRNO.EEXIST;
      if (!exists || (flags & P.OPEN_EXCLUSIVE) !== 0) throw error;
      return this.folder.open(path, access, (flags & P.OPEN_TRUNCATE) !== 0);
    }
  }

  private async read({ reader, tag, roomBytes }: Request): Promise<Uint8Array> {
    const fid = reader.u32();
    const offset = offsetOf(reader.u64());
    const header = P.HEADER_BYTES + COUNT_BYTES;
    const wanted = Math.min(reader.u32(), roomBytes - header);
    const file = this.requireOpenFile(fid);
    // The answer is what the file is read into: nothing is copied here.
    const answer = new Uint8Array(header + wanted);
    const length = await file.read(offset, answer.subarray(header));
    const message = answer.subarray(0, header + length);
    writeHeader(message, P.T_READ + 1, tag);
    new DataView(answer.buffer).setUint32(P.HEADER_BYTES, length, true);
    return message;
  }

  private async write(reader: MessageReader): Promise<MessageWriter> {
    const fid = reader.u32();
    const offset = offsetOf(reader.u64());
    const data = reader.data(reader.u32());
    await this.requireOpenFile(fid).write(offset, data);
    return new MessageWriter().u32(data.length);
  }

  private async readFolder({ reader, roomBytes }: Request): Promise<MessageWriter> {
    const fid = reader.u32();
    const first = reader.u64();
    const room = Math.min(reader.u32(), roomBytes - P.HEADER_BYTES - COUNT_BYTES);
    const path = this.pathOf(fid);
    if (this.fid(fid).flags === undefined) throw new ShareFault('EBADF');
    const listing = await this.listings.get(fid, first === 0n, () => this.list(path));
    const from = first > BigInt(listing.names.length) ? listing.names.length : Number(first);
    const names = namesThatFit(listing, from, room);
    const infos = this.folder.lookAll(path, names);
    return writeEntries(names, from, (index) => {
      if (names[index] === '.') return this.folder.look(path);
      return names[index] === '..' ? this.folder.look(walked(path, ['..'])) : infos[index];
    });
  }

  private async list(path: SharePath): Promise<Listing> {
    const names = (await this.folder.list(path)).map(({ name }) => name);
    return { names: ['.', '..', ...names] };
  }

  private async setAttributes(reader: MessageReader): Promise<MessageWriter> {
    const fid = reader.u32();
    const valid = reader.u32();
    const mode = reader.u32() & MODE_MASK;
    // Owners stay as they are: files belong to the user that runs the machine.
    reader.data(8);
    const sizeBytes = reader.u64();
    const accessedNs = readTime(reader);
    const modifiedNs = readTime(reader);
    const file = this.openFile(fid);
    const isSize = (valid & P.SET_SIZE) !== 0;
    // What is open for writing may be cut though its permissions or its name are gone.
    const cut = isSize && file && accessOf(this.fid(fid).flags ?? 0).write ? file : undefined;
    if (cut) await cut.truncate(offsetOf(sizeBytes));
    const changes: NodeChanges = {
      ...((valid & P.SET_MODE) !== 0 && { mode }),
      ...(isSize && !cut && { sizeBytes: offsetOf(sizeBytes) }),
      ...((valid & P.SET_ATIME) !== 0 && { accessedNs: (valid & P.SET_ATIME_GIVEN) !== 0 ? accessedNs : 'now' }),
      ...((valid & P.SET_MTIME) !== 0 && { modifiedNs: (valid & P.SET_MTIME_GIVEN) !== 0 ? modifiedNs : 'now' }),
    };
    if (Object.keys(changes).length > 0) await this.folder.change(this.pathOf(fid), changes);
    return new MessageWriter();
  }

  private async makeFolder(reader: MessageReader): Promise<MessageWriter> {
    const path = this.below(reader);
    await this.folder.makeFolder(path, reader.u32() & MODE_MASK);
    return writeQid(new MessageWriter(), this.folder.look(path));
  }

  private async makeLink(reader: MessageReader): Promise<MessageWriter> {
    const path = this.below(reader);
    const target = reader.text();
    if (target === '' || target.includes('\0')) throw new ShareFault('EINVAL');
    if (target.length >= P.PATH_BYTES_MAXIMUM) throw new ShareFault('ENAMETOOLONG');
    await this.folder.makeLink(path, target);
    return writeQid(new MessageWriter(), this.folder.look(path));
  }

  /** Regular files only: pipes, sockets and devices would be the host's. */
  private makeNode(reader: MessageReader): MessageWriter {
    const path = this.below(reader);
    const mode = reader.u32();
    const kind = mode & 0o170000;
    if (kind !== 0 && kind !== 0o100000) throw new ShareFault('EPERM');
    this.folder.create(path, { read: false, write: true, append: false }, mode & MODE_MASK).close();
    return writeQid(new MessageWriter(), this.folder.look(path));
  }

  private async addName(reader: MessageReader): Promise<MessageWriter> {
    const folder = this.pathOf(reader.u32());
    const path = this.pathOf(reader.u32());
    await this.folder.addName(path, requireShort([...folder, readName(reader)]));
    return new MessageWriter();
  }

  private async rename(from: SharePath, to: SharePath): Promise<MessageWriter> {
    await this.folder.rename(from, to);
    return new MessageWriter();
  }

  private async unlink(reader: MessageReader): Promise<MessageWriter> {
    const path = this.below(reader);
    if ((reader.u32() & P.UNLINK_FOLDER) !== 0) await this.folder.removeFolder(path);
    else await this.folder.removeFile(path);
    return new MessageWriter();
  }

  private async remove(fid: number): Promise<MessageWriter> {
    const path = this.pathOf(fid);
    if (this.folder.look(path).kind === 'folder') await this.folder.removeFolder(path);
    else await this.folder.removeFile(path);
    return new MessageWriter();
  }

  private clunk(fid: number): MessageWriter {
    this.fid(fid);
    return new MessageWriter();
  }

  private async sync(reader: MessageReader): Promise<MessageWriter> {
    const fid = reader.u32();
    const contentOnly = reader.u32() !== 0;
    const file = this.openFile(fid);
    if (file) await file.sync(contentOnly);
    else if (!this.readonly) await this.folder.syncFolder(this.pathOf(fid));
    return new MessageWriter();
  }

  private async space(fid: number): Promise<MessageWriter> {
    this.fid(fid);
    return writeSpace(new MessageWriter(), await this.folder.space());
  }

  /** The guest's kernel keeps locks between its own processes; the host's are not looked at. */
  private lock(fid: number): MessageWriter {
    this.fid(fid);
    return new MessageWriter().u8(LOCK_SUCCESS);
  }

  private getLock(reader: MessageReader): MessageWriter {
    this.fid(reader.u32());
    reader.u8();
    const [start, length, process, client] = [reader.u64(), reader.u64(), reader.u32(), reader.text()];
    return new MessageWriter().u8(LOCK_UNLOCKED).u64(start).u64(length).u32(process).text(client);
  }
}

/** Requests that change something on the host, whatever they say. T_LOPEN may, too. */
const CHANGING: ReadonlySet<number> = new Set([
  P.T_LCREATE,
  P.T_SYMLINK,
  P.T_MKNOD,
  P.T_RENAME,
  P.T_SETATTR,
  P.T_XATTRCREATE,
  P.T_LINK,
  P.T_MKDIR,
  P.T_RENAMEAT,
  P.T_UNLINKAT,
  P.T_WRITE,
  P.T_REMOVE,
]);

/** Whether a request changes something that others see, or may. */
export function mayChange(message: Uint8Array): boolean {
  const type = message[P.HEADER_TYPE] ?? 0;
  return CHANGING.has(type) || type === P.T_LOPEN || type === P.T_FSYNC;
}

/** As long as it says. */
function messageOf(bytes: Uint8Array): Uint8Array {
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  if (size < P.HEADER_BYTES || size > bytes.length) throw new ShareFault('EINVAL');
  return bytes.subarray(0, size);
}

function accessOf(flags: number): FileAccess {
  const access = flags & P.OPEN_ACCESS;
  const both = access === P.OPEN_READ_WRITE;
  return { read: both || access !== P.OPEN_WRITE, write: both || access === P.OPEN_WRITE, append: isAppend(flags) };
}

function isAppend(flags: number): boolean {
  return (flags & P.OPEN_APPEND) !== 0;
}

function offsetOf(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ShareFault('EFBIG');
  return Number(value);
}

function readTime(reader: MessageReader): bigint {
  const seconds = BigInt.asIntN(64, reader.u64());
  const nanoseconds = reader.u64();
  return seconds * NS_PER_SECOND + (nanoseconds % NS_PER_SECOND);
}
