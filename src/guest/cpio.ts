/**
 * Writer and reader of "newc" cpio archives, the format that Linux unpacks as its initramfs (kernel documentation,
 * driver-api/early-userspace/buffer-format).
 *
 * An entry is, with no padding but to multiples of 4 bytes:
 *
 *     offset  size  field
 *          0     6  magic "070701"
 *          6   8*13 ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check,
 *                   each as 8 hexadecimal digits
 *        110     n  name and a NUL, then padding to a multiple of 4
 *                   content, then padding to a multiple of 4
 *
 * The archive ends with an empty entry called "TRAILER!!!". The same entries always give the same bytes: inode numbers
 * count up from 1 and all times are the one given.
 */
import { GodwitError } from '../common/errors.ts';

const MAGIC = '070701';
const HEADER_BYTES = 110;
const TRAILER_NAME = 'TRAILER!!!';
/** Archives are padded to this size, as cpio does with its default block size. */
const BLOCK_BYTES = 512;

const TYPE_BITS = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  character: 0o020000,
  fifo: 0o010000,
} as const;
const TYPE_MASK = 0o170000;

/** One file of an archive. Names have no leading slash; `permissions` are the low 12 bits of the mode. */
export type CpioEntry =
  | { type: 'file'; name: string; permissions: number; content: Uint8Array }
  | { type: 'directory'; name: string; permissions: number }
  | { type: 'symlink'; name: string; target: string }
  | { type: 'fifo'; name: string; permissions: number }
  | { type: 'character'; name: string; permissions: number; major: number; minor: number };

interface Header {
  inode: number;
  mode: number;
  links: number;
  timeSeconds: number;
  fileBytes: number;
  deviceMajor: number;
  deviceMinor: number;
  name: Uint8Array;
}

const encoder = new TextEncoder();

function align4(bytes: number): number {
  return (bytes + 3) & ~3;
}

function encodeHeader(header: Header): Uint8Array {
  const fields = [
    header.inode,
    header.mode,
    0, // uid: all belongs to root
    0, // gid
    header.links,
    header.timeSeconds,
    header.fileBytes,
    0, // devmajor
    0, // devminor
    header.deviceMajor,
    header.deviceMinor,
    header.name.length + 1,
    0, // check: only used by the "crc" variant
  ];
  const text = MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  const bytes = new Uint8Array(align4(HEADER_BYTES + header.name.length + 1));
  bytes.set(encoder.encode(text));
  bytes.set(header.name, HEADER_BYTES);
  return bytes;
}

function contentOf(entry: CpioEntry): Uint8Array {
  if (entry.type === 'file') return entry.content;
  if (entry.type === 'symlink') return encoder.encode(entry.target);
  return new Uint8Array(0);
}

/** Makes an archive of the entries, in their order. `timeSeconds` (since 1970) becomes the time of each. */
export function writeCpio(entries: readonly CpioEntry[], timeSeconds = 0): Uint8Array {
  const parts: Uint8Array[] = [];
  let total = 0;
  const push = (part: Uint8Array): void => {
    parts.push(part);
    total += part.length;
  };
  entries.forEach((entry, index) => {
    const content = contentOf(entry);
    const permissions = entry.type === 'symlink' ? 0o777 : entry.permissions & 0o7777;
    push(
      encodeHeader({
        inode: index + 1,
        mode: TYPE_BITS[entry.type] | permissions,
        links: entry.type === 'directory' ? 2 : 1,
        timeSeconds,
        fileBytes: content.length,
        deviceMajor: entry.type === 'character' ? entry.major : 0,
        deviceMinor: entry.type === 'character' ? entry.minor : 0,
        name: encoder.encode(entry.name),
      }),
    );
    push(content);
    push(new Uint8Array(align4(content.length) - content.length));
  });
  push(
    encodeHeader({
      inode: 0,
      mode: 0,
      links: 1,
      timeSeconds: 0,
      fileBytes: 0,
      deviceMajor: 0,
      deviceMinor: 0,
      name: encoder.encode(TRAILER_NAME),
    }),
  );
  push(new Uint8Array((BLOCK_BYTES - (total % BLOCK_BYTES)) % BLOCK_BYTES));
  return Buffer.concat(parts, total);
}

function damaged(offset: number, what: string): GodwitError {
  return new GodwitError('damaged', `The cpio archive is broken at byte ${offset}: ${what}.`);
}

function field(archive: Uint8Array, offset: number, index: number): number {
  const start = offset + MAGIC.length + index * 8;
  const text = new TextDecoder('latin1').decode(archive.subarray(start, start + 8));
  if (!/^[0-9a-fA-F]{8}$/.test(text)) throw damaged(start, 'a header field is not hexadecimal');
  return Number.parseInt(text, 16);
}

function entryOf(archive: Uint8Array, offset: number, name: string, content: Uint8Array): CpioEntry {
  const mode = field(archive, offset, 1);
  const permissions = mode & 0o7777;
  switch (mode & TYPE_MASK) {
    case TYPE_BITS.file:
      return { type: 'file', name, permissions, content };
    case TYPE_BITS.directory:
      return { type: 'directory', name, permissions };
    case TYPE_BITS.fifo:
      return { type: 'fifo', name, permissions };
    case TYPE_BITS.symlink:
      return { type: 'symlink', name, target: new TextDecoder().decode(content) };
    case TYPE_BITS.character:
      return {
        type: 'character',
        name,
        permissions,
        major: field(archive, offset, 9),
        minor: field(archive, offset, 10),
      };
    default:
      throw damaged(offset, `${name} has a type that godwit does not write`);
  }
}

/** The entries of an uncompressed archive. Throws GodwitError('damaged') for anything that is not one. */
export function readCpio(archive: Uint8Array): CpioEntry[] {
  const entries: CpioEntry[] = [];
  for (let offset = 0; ; ) {
    if (offset + HEADER_BYTES > archive.length) throw damaged(offset, 'it ends before its trailer');
    const magic = new TextDecoder('latin1').decode(archive.subarray(offset, offset + MAGIC.length));
    if (magic !== MAGIC) throw damaged(offset, 'there is no header');
    const fileBytes = field(archive, offset, 6);
    const nameBytes = field(archive, offset, 11);
    const nameStart = offset + HEADER_BYTES;
    const contentStart = align4(nameStart + nameBytes);
    const end = align4(contentStart + fileBytes);
    if (nameBytes < 1 || contentStart + fileBytes > archive.length)
      throw damaged(offset, 'an entry leaves the archive');
    const name = new TextDecoder().decode(archive.subarray(nameStart, nameStart + nameBytes - 1));
    if (name === TRAILER_NAME) return entries;
    entries.push(entryOf(archive, offset, name, archive.subarray(contentStart, contentStart + fileBytes)));
    offset = end;
  }
}
