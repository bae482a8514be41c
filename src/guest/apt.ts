/**
 * Packages of Debian for the guest, through the apt client that is on the machine, but with a configuration, package
 * lists and a dpkg status of our own. So it needs no root and leaves the machine's apt alone, while its proxies,
 * certificates and credentials go on to apply, since apt reads /etc/apt/apt.conf* first. Signatures are checked always:
 * every source carries Signed-By with Debian's keyring.
 */
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '../common/errors.ts';
import { aptError } from './apt-error.ts';
import { sha256OfFile } from './hash.ts';
import { type ProgramResult, runProgram } from './process.ts';
import type { Progress } from './progress.ts';

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
  private readonly options: PrivateAptOptions;
  private readonly configPath: string;

  private constructor(options: PrivateAptOptions) {
    this.options = options;
    this.configPath = join(options.folder, 'apt.conf');
  }

  /** Writes the configuration and reads the package lists from the mirror. */
  static async open(options: PrivateAptOptions): Promise<PrivateApt> {
    // apt's configuration has no way to write these inside a value.
    if (/["\n]/.test(options.folder))
      throw new GodwitError('usage', `The folder ${options.folder} can't be used by apt.`);
    const apt = new PrivateApt(options);
    await apt.writeConfiguration();
    await apt.updateLists();
    return apt;
  }

  get mirror(): string {
    return this.options.mirror;
  }

  private async writeConfiguration(): Promise<void> {
    const { folder, suites, architecture, mirror, keyring } = this.options;
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
    await writeFile(this.configPath, `${lines.join('\n')}\n`);
  }

  private run(program: 'apt-get' | 'apt-cache', args: readonly string[], cwd?: string): Promise<ProgramResult> {
    return runProgram(program, ['-c', this.configPath, ...args], cwd === undefined ? {} : { cwd });
  }

  private async updateLists(): Promise<void> {
    const result = await this.run('apt-get', ['update', '-q']);
    if (result.status !== 0 || /^[EW]: .*(GPG|sign|Failed to fetch)/m.test(result.stderr)) {
      throw aptError('reading the package lists', this.options.mirror, result);
    }
  }

  /** What the lists say about packages, in the order asked, newest version first where there are several. */
  async show(names: readonly string[]): Promise<PackageRecord[]> {
    const result = await this.run('apt-cache', ['--no-all-versions', 'show', ...names]);
    if (result.status !== 0) throw aptError(`looking up ${names.join(', ')}`, this.options.mirror, result);
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
    const result = await this.run('apt-get', args);
    if (result.status !== 0) throw aptError(`resolving ${names.join(', ')}`, this.options.mirror, result);
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
      const result = await this.run('apt-get', ['download', '-q', ...wanted], into);
      if (result.status !== 0) throw aptError(phase.toLowerCase(), this.options.mirror, result);
    } finally {
      clearInterval(timer);
    }
    progress.update({ phase, done: total, total, unit: 'bytes' });
    return this.checkDownloads(records, into);
  }

  private async checkDownloads(records: readonly PackageRecord[], folder: string): Promise<FetchedPackage[]> {
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
