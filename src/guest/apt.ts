/**
 * Packages of Debian for the guest, through the apt client that is on the machine, but with a configuration, package lists
 * and a dpkg status of our own. So it needs no root and leaves the machine's apt alone, while its proxies, certificates and
 * credentials go on to apply, since apt reads /etc/apt/apt.conf* first. Signatures are checked always: every source carries
 * Signed-By with Debian's keyring.
 */
import { access, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '../common/errors.ts';
import { type DebianMirror, findDebianMirror, readMachineSources } from './apt-sources.ts';
import { readDebFiles } from './deb.ts';
import { sha256OfFile } from './hash.ts';
import { type ProgramResult, runProgram } from './process.ts';
import type { Progress } from './progress.ts';

const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const POLL_MS = 200;

/** A package as the signed package lists describe it. */
export interface PackageRecord {
  name: string;
  version: string;
  architecture: string;
  depends: string;
  sizeBytes: number;
  sha256: string;
}

/** A package that is on this machine's disk, its content checked against the signed lists. */
export interface FetchedPackage extends PackageRecord {
  path: string;
}

export interface PrivateAptOptions {
  /** Where its state lives; made if missing. Only one process may use it at a time. */
  folder: string;
  suites: readonly string[];
  /** The machine's own when not given. */
  architecture?: string;
  mirror: string;
  keyring: string;
}

/** What went wrong, told from what apt printed. */
function aptError(doing: string, mirror: string, result: ProgramResult): GodwitError {
  const text = `${result.stderr}\n${result.stdout}`;
  const lines = text.split('\n').filter((line) => /^[EW]: |^Err:/.test(line));
  const detail = (lines.find((line) => line.startsWith('E: ')) ?? lines[0] ?? `status ${result.status}`).replace(
    /^[EW]: /,
    '',
  );
  const cause = new Error(lines.join('\n') || text.slice(-2000));
  if (
    /NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|not signed|GPG error|signature[s]? (couldn't|could not) be verified/i.test(
      text,
    )
  ) {
    return new GodwitError(
      'damaged',
      `The package lists of ${mirror} don't carry a good signature of Debian: ${detail}`,
      {
        hint: 'Update the package debian-archive-keyring on this machine, or try another mirror with GODWIT_MIRROR.',
        cause,
      },
    );
  }
  if (/Hash Sum mismatch|unexpected size/i.test(text)) {
    return new GodwitError('damaged', `What ${mirror} sent while ${doing} does not match the signed lists: ${detail}`, {
      hint: 'The mirror may be in the middle of an update; try again in a few minutes.',
      cause,
    });
  }
  if (/No space left|not have enough free space/i.test(text)) {
    return new GodwitError('full', `The disk is full while ${doing}.`, { hint: 'Free some space.', cause });
  }
  if (/Unable to locate package|No packages found|no installation candidate|Can't find/i.test(text)) {
    return new GodwitError('not-found', `${doing}: ${detail}`, { cause });
  }
  return new GodwitError('io', `apt failed while ${doing}: ${detail}`, {
    hint: 'Check that the network is up and that "apt-get update" works on this machine.',
    cause,
  });
}

/** Fields of the stanzas that `apt-cache show` prints. */
export function parsePackageRecords(text: string): PackageRecord[] {
  return text
    .split(/\n\n+/)
    .filter((stanza) => stanza.startsWith('Package: '))
    .map((stanza) => {
      const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1] ?? '';
      return {
        name: field('Package'),
        version: field('Version'),
        architecture: field('Architecture'),
        depends: field('Depends'),
        sizeBytes: Number(field('Size')),
        sha256: field('SHA256'),
      };
    });
}

async function folderBytes(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        (info) => (info.isFile() ? info.size : 0),
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function architectureLines(architecture: string | undefined): string[] {
  if (architecture === undefined) return [];
  return [
    '#clear APT::Architectures;',
    `APT::Architecture "${architecture}";`,
    `APT::Architectures { "${architecture}"; };`,
  ];
}

export class PrivateApt {
  readonly #options: PrivateAptOptions;
  readonly #configPath: string;

  private constructor(options: PrivateAptOptions) {
    this.#options = options;
    this.#configPath = join(options.folder, 'apt.conf');
  }

  /** Writes the configuration and reads the package lists from the mirror. */
  static async open(options: PrivateAptOptions): Promise<PrivateApt> {
    // apt's configuration has no way to write these inside a value.
    if (/["\n]/.test(options.folder))
      throw new GodwitError('usage', `The folder ${options.folder} can't be used by apt.`);
    const apt = new PrivateApt(options);
    await apt.#writeConfiguration();
    await apt.#updateLists();
    return apt;
  }

  get mirror(): string {
    return this.#options.mirror;
  }

  async #writeConfiguration(): Promise<void> {
    const { folder, suites, architecture, mirror, keyring } = this.#options;
    await mkdir(join(folder, 'state/lists/partial'), { recursive: true });
    await mkdir(join(folder, 'cache/archives/partial'), { recursive: true });
    await writeFile(join(folder, 'status'), '');
    const sources = suites.map((suite) => `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`);
    await writeFile(join(folder, 'sources.list'), sources.join(''));
    const lines = [
      // Hooks of the machine would clean the machine's own cache.
      '#clear APT::Update::Pre-Invoke;',
      '#clear APT::Update::Post-Invoke;',
      '#clear APT::Update::Post-Invoke-Success;',
      '#clear APT::Default-Release;',
      ...architectureLines(architecture),
      `Dir::State "${folder}/state";`,
      `Dir::State::lists "${folder}/state/lists";`,
      `Dir::State::status "${folder}/status";`,
      `Dir::Cache "${folder}/cache";`,
      `Dir::Cache::archives "${folder}/cache/archives";`,
      `Dir::Etc::sourcelist "${folder}/sources.list";`,
      'Dir::Etc::sourceparts "/dev/null";',
      'Dir::Etc::preferences "/dev/null";',
      'Dir::Etc::preferencesparts "/dev/null";',
      'Dir::Log "/dev/null";',
      // The download user of apt can't write into a person's cache folder.
      'APT::Sandbox::User "root";',
      'APT::Get::AllowUnauthenticated "false";',
      'Acquire::AllowInsecureRepositories "false";',
      'Acquire::AllowWeakRepositories "false";',
      'Acquire::Languages "none";',
      'Acquire::Retries "3";',
      'APT::Update::Error-Mode "any";',
    ];
    await writeFile(this.#configPath, `${lines.join('\n')}\n`);
  }

  #run(program: 'apt-get' | 'apt-cache', args: readonly string[], cwd?: string): Promise<ProgramResult> {
    return runProgram(program, ['-c', this.#configPath, ...args], cwd === undefined ? {} : { cwd });
  }

  async #updateLists(): Promise<void> {
    const result = await this.#run('apt-get', ['update', '-q']);
    if (result.status !== 0 || /^[EW]: .*(GPG|sign|Failed to fetch)/m.test(result.stderr)) {
      throw aptError('reading the package lists', this.#options.mirror, result);
    }
  }

  /** What the lists say about packages, in the order asked, newest version first where there are several. */
  async show(names: readonly string[]): Promise<PackageRecord[]> {
    const result = await this.#run('apt-cache', ['--no-all-versions', 'show', ...names]);
    if (result.status !== 0) throw aptError(`looking up ${names.join(', ')}`, this.#options.mirror, result);
    const records = parsePackageRecords(result.stdout);
    return names.map((name) => {
      const record = records.find((each) => each.name === name);
      if (record === undefined) throw new GodwitError('not-found', `Debian's lists have no package ${name}.`);
      return record;
    });
  }

  /** The packages with everything they depend on, as apt itself would install them on an empty system. */
  async resolve(names: readonly string[]): Promise<PackageRecord[]> {
    const args = ['install', '--simulate', '--no-install-recommends', '-qq', ...names];
    const result = await this.#run('apt-get', args);
    if (result.status !== 0) throw aptError(`resolving ${names.join(', ')}`, this.#options.mirror, result);
    const found = [...result.stdout.matchAll(/^Inst (\S+) /gm)].map((match) => match[1] ?? '');
    return this.show(found);
  }

  /** Downloads packages into a folder (emptied first), and checks each against the signed lists. */
  async download(
    records: readonly PackageRecord[],
    into: string,
    phase: string,
    progress: Progress,
  ): Promise<FetchedPackage[]> {
    await rm(into, { recursive: true, force: true });
    await mkdir(into, { recursive: true });
    const total = records.reduce((sum, record) => sum + record.sizeBytes, 0);
    const report = async (): Promise<void> => {
      progress.update({ phase, done: Math.min(total, await folderBytes(into)), total, unit: 'bytes' });
    };
    progress.update({ phase, done: 0, total, unit: 'bytes' });
    const timer = setInterval(() => void report(), POLL_MS);
    try {
      const wanted = records.map((record) => `${record.name}=${record.version}`);
      const result = await this.#run('apt-get', ['download', '-q', ...wanted], into);
      if (result.status !== 0) throw aptError(phase.toLowerCase(), this.#options.mirror, result);
    } finally {
      clearInterval(timer);
    }
    progress.update({ phase, done: total, total, unit: 'bytes' });
    return this.#checkDownloads(records, into);
  }

  async #checkDownloads(records: readonly PackageRecord[], folder: string): Promise<FetchedPackage[]> {
    const files = await readdir(folder);
    return Promise.all(
      records.map(async (record) => {
        const file = files.find((name) => name.startsWith(`${record.name}_`));
        if (file === undefined) throw new GodwitError('io', `apt did not fetch the package ${record.name}.`);
        const path = join(folder, file);
        if ((await sha256OfFile(path)) !== record.sha256) {
          throw new GodwitError('damaged', `The package ${record.name} is not what Debian's signed lists say.`);
        }
        return { ...record, path };
      }),
    );
  }
}

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
 * A newer keyring than the machine's, from the machine's own release (whose signatures the installed keyring checks): how
 * Debian itself hands the next release's keys to users of the one before.
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
