/** Kinds of arguments that many of the disks' functions take. */
import { type Schema, withMethods } from '../../common/schema.ts';
import type { ByteFile } from '../../platform/files.ts';
import type { Disk } from './disk.ts';

/** Anybody's, as long as it has what all disks have. */
export const DISK: Schema<Disk> = withMethods<Disk>(
  'a disk',
  ...(['read', 'write', 'flush', 'discard', 'writeZeroes', 'close'] as const),
);

export const BYTE_FILE: Schema<ByteFile> = withMethods<ByteFile>(
  'a file with the methods of ByteFile',
  ...(['size', 'read', 'write', 'truncate', 'punchHole', 'sync', 'close'] as const),
);
