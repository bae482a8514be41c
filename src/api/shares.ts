import { GodwitError } from '../common/errors.ts';
import { flag, object, optional, type Schema, text } from '../common/schema.ts';
import type { ShareConfiguration, ShareOptions } from './options.ts';

export const SHARE_OPTIONS: Schema<ShareOptions> = object({
  path: text(),
  mount: optional(text()),
  readonly: optional(flag()),
  common: optional(flag()),
});
const MOUNT_LENGTH = 255;
/** Where the guest's own system is, and would be hidden. */
const TAKEN = /^\/(?:proc|sys|dev|bin|sbin|lib|usr|etc)?$/;

/** Checks without opening anything. `limit`: so many the board has room for. Throws GodwitError. */
export function checkShares(shares: readonly ShareOptions[], limit: number): ShareConfiguration[] {
  if (shares.length > limit) {
    throw new GodwitError(
      'limit',
      `Beside its disks the machine can have ${limit} shared folders, not ${shares.length}.`,
    );
  }
  const checked = shares.map(checkShare);
  const twice = checked.find(({ mount }, index) => checked.findIndex((other) => other.mount === mount) !== index);
  if (!twice) return checked;
  throw new GodwitError('usage', `Two folders are to be mounted at ${twice.mount}.`, {
    hint: `Say where: --share ${twice.path}:/mnt/another`,
  });
}

function checkShare({ path, mount, readonly = false, common = false }: ShareOptions): ShareConfiguration {
  return { path, mount: mount === undefined ? defaultMount(path) : checkMount(mount), readonly, common };
}

function checkMount(mount: string): string {
  const isPath = /^(?:\/[\x21-\x2e\x30-\x7e]+)+$/.test(mount) && mount.length <= MOUNT_LENGTH;
  if (!isPath || mount.split('/').some((name) => name === '.' || name === '..')) {
    throw new GodwitError('usage', `A folder cannot be mounted at "${mount}" in the guest.`, {
      hint: `Give an absolute path of up to ${MOUNT_LENGTH} printable ASCII characters without spaces.`,
    });
  }
  if (!TAKEN.test(mount)) return mount;
  throw new GodwitError('usage', `A folder mounted at ${mount} would hide what the guest needs there.`);
}

/** Characters that a path in a guest's tables would have to be written with in another way become "_". */
function defaultMount(path: string): string {
  const name = path.split('/').findLast((part) => part !== '' && part !== '.') ?? '';
  const plain = name.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, MOUNT_LENGTH / 2);
  return `/mnt/${plain === '' || plain === '..' ? 'share' : plain}`;
}
