/** Opens a private apt for the guest's packages: finds the mirror and the keyring. */
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '../common/errors.ts';
import { PrivateApt } from './apt.ts';
import { type DebianMirror, findDebianMirror, readMachineSources } from './apt-sources.ts';
import { readDebFiles } from './deb.ts';
import type { Progress } from './progress.ts';

const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

export interface OpenAptOptions {
  /** The parent of all private apt folders. */
  folder: string;
  suite: string;
  /** A mirror to use instead of the one that the machine's apt sources name. */
  mirror?: string;
  /** A keyring to use instead of the installed one. */
  keyring?: string;
  progress: Progress;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** A mirror that a person named says nothing of the machine's own release. */
type ChosenMirror = Pick<DebianMirror, 'uri'> & Partial<DebianMirror>;

async function findMirror(asked: string | undefined): Promise<ChosenMirror> {
  const named = asked ?? process.env.GODWIT_MIRROR;
  if (named !== undefined && named !== '') {
    if (/[\s[\]]/.test(named)) throw new GodwitError('usage', `The mirror "${named}" is not an address.`);
    return { uri: named };
  }
  return findDebianMirror(await readMachineSources());
}

/**
 * A newer keyring than the machine's, from the machine's own release (whose signatures the installed keyring checks):
 * how Debian itself hands the next release's keys to users of the one before.
 */
async function fetchNewerKeyring(
  mirror: ChosenMirror,
  keyring: string,
  options: OpenAptOptions,
): Promise<string | undefined> {
  if (mirror.machineSuite === undefined) return undefined;
  options.progress.note(
    `The installed Debian keyring does not know ${options.suite}; fetching a newer one, signed by the keys it knows.`,
  );
  const folder = join(options.folder, 'apt-machine');
  const apt = await PrivateApt.open({
    folder,
    suites: [mirror.machineSuite],
    mirror: mirror.uri,
    keyring,
  }).catch(() => undefined);
  if (apt === undefined) return undefined;
  const records = await apt.show(['debian-archive-keyring']);
  const [fetched] = await apt.download(
    records,
    join(folder, 'download'),
    "Fetching Debian's keyring",
    options.progress,
  );
  const content =
    fetched === undefined
      ? undefined
      : (await readDebFiles(fetched.path, (name) => name === DEBIAN_KEYRING.slice(1))).get(DEBIAN_KEYRING.slice(1));
  if (content === undefined) return undefined;
  const path = join(options.folder, 'debian-archive-keyring.gpg');
  await writeFile(path, content);
  return path;
}

/** A private apt for riscv64 packages of one Debian suite, its lists fresh. */
export async function openDebianApt(options: OpenAptOptions): Promise<PrivateApt> {
  const keyring = options.keyring ?? DEBIAN_KEYRING;
  if (!(await exists(keyring))) {
    throw new GodwitError('not-found', `Debian's keyring ${keyring} is missing, so signatures can't be checked.`, {
      hint: 'Install it: apt-get install debian-archive-keyring',
    });
  }
  const mirror = await findMirror(options.mirror);
  const common = {
    folder: join(options.folder, 'apt'),
    suites: [options.suite],
    architecture: 'riscv64',
    mirror: mirror.uri,
  };
  options.progress.update({ phase: "Reading Debian's package lists" });
  try {
    return await PrivateApt.open({ ...common, keyring });
  } catch (error) {
    if (!(error instanceof GodwitError) || error.code !== 'damaged') throw error;
    const newer = await fetchNewerKeyring(mirror, keyring, options);
    if (newer === undefined) throw error;
    return PrivateApt.open({ ...common, keyring: newer });
  }
}
