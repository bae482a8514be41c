import { assertCheckpointName, isCheckpointId } from '../../../checkpoint/meta.ts';
import { GodwitError } from '../../../common/errors.ts';
import { join } from '../../../common/paths.ts';
import { platform } from '../../../platform/platform.ts';
import { madeByNewer, madeByOthers, requireVersion } from '../../../state/format-errors.ts';
import { isOptional } from '../../../state/state-reader.ts';

/** In the folder of each checkpoint: its place in the tree, which can change while its other files do not. */
export const MANIFEST_FILE = 'checkpoint.json';

/** No manifest is near as long. */
const MAXIMUM_BYTES = 4 * 1024 ** 2;
/** 1 was before points named their hart. */
const FORMAT = 2;

const KIND = 'manifest of a checkpoint';
const FIELDS: ReadonlySet<string> = new Set(
  'id name parent createdAtMs memoryBytes hart branches pc needs removed'.split(' '),
);

export interface Manifest {
  readonly id: string;
  readonly name: string | null;
  readonly parent: string | null;
  readonly createdAtMs: number;
  readonly memoryBytes: number;
  /** Execution point: two of its numbers as text, which JSON would not hold. */
  readonly hart: number;
  readonly branches: string;
  readonly pc: string;
  /** Files of the store that its disks are made of, "<id>/<file>", also those of other checkpoints. */
  readonly needs: readonly string[];
  /** The checkpoint is deleted, and only files are left that others need. */
  readonly removed: boolean;
}

/** "<id>/<file>", and nothing that leads elsewhere. */
export function isStorePath(path: string): boolean {
  const [id, file, ...rest] = path.split('/');
  return rest.length === 0 && isCheckpointId(id ?? '') && /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(file ?? '');
}

/** `inOwnFolder`: of a draft. */
export async function writeManifest(folder: string, manifest: Manifest, inOwnFolder = false): Promise<void> {
  const body = JSON.stringify(manifest);
  const text = `${JSON.stringify({ format: FORMAT, checksum: checksumOf(body), checkpoint: manifest }, null, 2)}\n`;
  await platform().files.writeWhole(join(folder, MANIFEST_FILE), [new TextEncoder().encode(text)], {
    replace: true,
    inOwnFolder,
  });
}

/** Throws GodwitError 'not-found', 'damaged', 'unsupported', 'io'. */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST_FILE);
  const bytes = await platform().files.read(path);
  const record = bytes.length > MAXIMUM_BYTES ? undefined : parse(bytes);
  if (record === undefined) throw isText(bytes) ? damaged(path) : madeByOthers(path, KIND, bytes);
  const { format, checkpoint, checksum } = record;
  if (format === undefined && checkpoint === undefined) throw madeByOthers(path, KIND, bytes);
  if (typeof format === 'number' && Number.isSafeInteger(format)) requireVersion(path, format, FORMAT);
  if (format !== FORMAT || checksum !== checksumOf(JSON.stringify(checkpoint))) throw damaged(path);
  const unknown = Object.keys(checkpoint ?? {}).find((name) => !FIELDS.has(name) && !isOptional(name));
  if (unknown !== undefined) throw madeByNewer(path, `it has "${unknown}", which this one does not know`);
  if (!isManifest(checkpoint)) throw damaged(path);
  return checkpoint;
}

/** Whether it begins as a manifest does. */
function isText(bytes: Uint8Array): boolean {
  return bytes[0] === '{'.charCodeAt(0);
}

function parse(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Of the text of what is checked: parsing and writing it again gives the same text. */
function checksumOf(body: string): string {
  return platform().codec.crc32(new TextEncoder().encode(body)).toString(16).padStart(8, '0');
}

function damaged(path: string): GodwitError {
  return new GodwitError('damaged', `${path} is damaged.`);
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== 'object' || value === null) return false;
  const record = value as Record<string, unknown>;
  const isId = (id: unknown) => typeof id === 'string' && isCheckpointId(id);
  const isCount = (count: unknown) => Number.isSafeInteger(count) && Number(count) >= 0;
  const isU64 = (text: unknown) => typeof text === 'string' && /^\d{1,20}$/.test(text);
  return (
    isId(record.id) &&
    (record.name === null || isName(record.name)) &&
    (record.parent === null || isId(record.parent)) &&
    isCount(record.createdAtMs) &&
    isCount(record.memoryBytes) &&
    isCount(record.hart) &&
    isU64(record.branches) &&
    isU64(record.pc) &&
    Array.isArray(record.needs) &&
    record.needs.every((path) => typeof path === 'string' && isStorePath(path)) &&
    typeof record.removed === 'boolean'
  );
}

function isName(name: unknown): boolean {
  if (typeof name !== 'string') return false;
  try {
    assertCheckpointName(name);
    return true;
  } catch {
    return false;
  }
}
