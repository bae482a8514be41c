import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VERSION } from '../../src/common/version.ts';
import { ROOT } from './import-table.ts';
import { read, trackedFiles } from './source.ts';

interface Package {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const manifest = JSON.parse(read('package.json')) as Package;

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
}
const lock = JSON.parse(read('package-lock.json')) as { packages: Readonly<Record<string, LockedPackage>> };

describe('dependencies', () => {
  it('are asked for in exact versions', () => {
    const ranges = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(ranges.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  it('are locked with their hashes, and to no registry', () => {
    const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
    expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
    expect(packages.filter(([, { version, integrity }]) => version === undefined || integrity === undefined)).toEqual(
      [],
    );
  });

  it('are locked for all platforms, which npm ci insists on', () => {
    const locked = new Set(Object.keys(lock.packages).map((path) => path.replace(/^.*node_modules\//, '')));
    for (const name of ['@biomejs/cli-darwin-arm64', '@biomejs/cli-linux-arm64', '@biomejs/cli-win32-x64']) {
      expect(locked).toContain(name);
    }
  });
});

describe('files in git', () => {
  const files = trackedFiles();
  // The addresses of public projects and of the archives that Debian's own documentation names may stand in text.
  const foreignHosts =
    /\b(?:mirror|registry|proxy|cache|artifactory|nexus)[\w-]*\.[\w.-]+\.(?:com|net|org|internal|local|lan)\b/i;
  const machinePaths = /\/(?:work|tmp|root|home)\/(?:main|shared|user)\b/;

  it.skipIf(files === undefined)('name no mirror, registry or machine (skipped outside of a git checkout)', () => {
    const text = files!.filter(
      (path) => !/\.(?:png|ico|gz|bin)$/.test(path) && path !== 'test/repository/repository.test.ts',
    );
    const found = text.filter((path) => foreignHosts.test(read(path)) || machinePaths.test(read(path)));
    expect(found).toEqual([]);
  });

  it.skipIf(files === undefined)('are no build results and no large files (skipped outside of a git checkout)', () => {
    expect(files!.filter((path) => /^(?:dist|node_modules|\.cache)\//.test(path))).toEqual([]);
    expect(files!.filter((path) => statSync(join(ROOT, path)).size > 1_000_000)).toEqual([]);
  });
});

describe('README.md', () => {
  const program = join(ROOT, 'dist', 'cli', 'main.js');
  /** Every `godwit <command> --option ...` in the text's code. */
  const uses = [...read('README.md').matchAll(/\bgodwit ([a-z]+)((?:[ \\\n]+[^`#|\n]+)?)/g)].map(
    ([, command, rest]) => ({ command: command!, options: rest!.match(/--[a-z][a-z-]*/g) ?? [] }),
  );
  const inCode =
    read('README.md')
      .match(/```[\s\S]*?```|`[^`\n]+`/g)
      ?.join('\n') ?? '';

  it('uses only commands and options that the program has', () => {
    const used = uses.filter(({ command }) => inCode.includes(`godwit ${command}`));
    expect(used.length).toBeGreaterThan(0);
    for (const { command, options } of used) {
      const { stdout, status } = spawnSync(process.execPath, [program, command, '--help'], { encoding: 'utf8' });
      expect(status, `godwit ${command} --help`).toBe(0);
      for (const option of options) expect(stdout, `godwit ${command} ${option}`).toContain(option);
    }
  });
});

describe('docs/TESTING.md', () => {
  it('says of every folder of tests what it proves', () => {
    const folders = readdirSync(join(ROOT, 'test'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'support')
      .map(({ name }) => `| \`test/${name}\` |`);
    expect(folders.filter((folder) => !read('docs/TESTING.md').includes(folder))).toEqual([]);
  });
});

describe('CHANGELOG.md', () => {
  it("has an entry for package.json's version", () => {
    expect(read('CHANGELOG.md')).toMatch(new RegExp(`^## \\[${manifest.version.replaceAll('.', '\\.')}\\]`, 'm'));
  });
});

describe('src/common/version.ts', () => {
  it("has package.json's version", () => {
    expect(VERSION).toBe(manifest.version);
    expect(read('package-lock.json')).toContain(`"version": "${VERSION}"`);
  });
});

describe('the scripts of package.json', () => {
  it('set up before they start', () => {
    const { scripts } = manifest;
    expect(scripts.prestart).toBe('node tools/setup.mjs');
    expect(scripts.pretest).toBe('node tools/setup.mjs --test');
  });

  it('and the set-up ask for the same Node.js', () => {
    const [, major, minor] = /LEAST = \[(\d+), (\d+)\]/.exec(read('tools/setup.mjs'))!;
    expect(manifest.engines.node).toBe(`>=${major}.${minor}`);
  });
});
