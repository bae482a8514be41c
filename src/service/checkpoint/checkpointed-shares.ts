/** What a checkpoint says of the folders that its machine shares with the host. */
import type { ShareConfiguration } from '../../api/options.ts';
import { MESSAGE_BYTES_MAXIMUM } from '../../common/9p/layout.ts';
import { GodwitError } from '../../common/errors.ts';
import type { PlainData } from '../../state/plain-data.ts';
import { StateReader } from '../../state/state-reader.ts';
import { MachineShares, type RepliesOnTheirWay } from '../share/machine-shares.ts';

/** No board has room for more. */
const MAXIMUM_SHARES = 64;
const MAXIMUM_REPLIES = 64 * 1024;
const MAXIMUM_PATH = 4096;

export interface SharesOfCheckpoint {
  readonly shares: readonly ShareConfiguration[];
  readonly replies: RepliesOnTheirWay;
}

export function describeShares({ shares, replies }: SharesOfCheckpoint): PlainData {
  return {
    folders: shares.map(({ path, mount, readonly }) => ({ path, mount, readonly })),
    replies: replies.map(({ share, id, reply }) => ({ share, id, reply })),
  };
}

/** Throws GodwitError('damaged'). `data`: null where the machine has none. */
export function readShares(data: PlainData): SharesOfCheckpoint {
  if (data === null) return { shares: [], replies: [] };
  const reader = new StateReader("the machine's shared folders", data, ['folders', 'replies']);
  const shares = reader.list('folders', 0, MAXIMUM_SHARES).map(readShare);
  const replies = reader.list('replies', 0, MAXIMUM_REPLIES).map((entry) => {
    const reply = new StateReader('the answer of a shared folder', entry, ['share', 'id', 'reply']);
    return {
      share: reply.integer('share', MAXIMUM_SHARES),
      id: reply.integer('id', Number.MAX_SAFE_INTEGER),
      reply: reply.bytes('reply', MESSAGE_BYTES_MAXIMUM),
    };
  });
  return { shares, replies };
}

function readShare(data: PlainData): ShareConfiguration {
  const reader = new StateReader('a shared folder', data, ['path', 'mount', 'readonly']);
  const [path, mount] = [reader.text('path'), reader.text('mount')];
  reader.require(path.length > 0 && path.length <= MAXIMUM_PATH && !path.includes('\0'), 'its path is none');
  reader.require(/^[\x21-\x7e]{1,255}$/.test(mount), 'its mount tag is none');
  return { path, mount, readonly: reader.flag('readonly'), common: true };
}

/** Throws GodwitError where the folder is not there. */
export async function openCheckpointedShares(
  shares: readonly ShareConfiguration[] | undefined,
): Promise<MachineShares> {
  try {
    return await MachineShares.open(shares);
  } catch (cause) {
    if (!(cause instanceof GodwitError)) throw cause;
    throw new GodwitError(cause.code, `The machine of the checkpoint shares a folder of its host. ${cause.message}`, {
      hint: 'Make the same folder there, with the same files.',
      cause,
    });
  }
}
