import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  findDebianMirror,
  parseDeb822Sources,
  parseOneLineSources,
  readMachineSources,
} from '../../src/guest/apt-sources.ts';

const folder = mkdtempSync(join(tmpdir(), 'godwit-sources-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('sources.list, the one-line style', () => {
  it('reads plain lines, options and comments', () => {
    const text = `
# deb http://commented.example/debian trixie main
deb http://mirror.example/debian bookworm main contrib   # the mirror
deb [arch=amd64 signed-by=/k.gpg] https://other.example/debian/ trixie main
deb-src http://mirror.example/debian bookworm main
\tdeb\thttp://tabs.example/d\tsid\tmain
deb http://flat.example/ ./
nonsense
`;
    expect(parseOneLineSources(text)).toEqual([
      { uri: 'http://mirror.example/debian', suite: 'bookworm', components: ['main', 'contrib'] },
      { uri: 'https://other.example/debian/', suite: 'trixie', components: ['main'] },
      { uri: 'http://tabs.example/d', suite: 'sid', components: ['main'] },
      { uri: 'http://flat.example/', suite: './', components: [] },
    ]);
  });
});

describe('sources.list.d, the deb822 style', () => {
  it('reads several addresses, suites, continued lines and comments', () => {
    const text = `# a comment first
Types: deb deb-src
URIs: http://a.example/debian
 http://b.example/debian
# in between
Suites: trixie trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----
`;
    expect(parseDeb822Sources(text).map((source) => `${source.uri} ${source.suite}`)).toEqual([
      'http://a.example/debian trixie',
      'http://a.example/debian trixie-updates',
      'http://b.example/debian trixie',
      'http://b.example/debian trixie-updates',
    ]);
  });

  it('leaves out what is disabled or only sources', () => {
    const stanza = (extra: string): string =>
      `Types: deb\nURIs: http://m.example\nSuites: sid\nComponents: main\n${extra}\n`;
    expect(parseDeb822Sources(stanza('Enabled: no'))).toEqual([]);
    expect(parseDeb822Sources(stanza('enabled: False'))).toEqual([]);
    expect(parseDeb822Sources(stanza('Enabled: yes'))).toHaveLength(1);
    expect(parseDeb822Sources(stanza('').replace('deb\n', 'deb-src\n'))).toEqual([]);
  });
});

describe('the mirror', () => {
  it('is the first that has a suite of the main archive', () => {
    const mirror = findDebianMirror(
      parseOneLineSources(`
deb https://packages.example/node nodistro main
deb http://security.example/debian-security bookworm-security main
deb http://mirror.example/debian bookworm main
deb http://mirror.example/debian bookworm-updates main
`),
    );
    expect(mirror).toEqual({ uri: 'http://mirror.example/debian', machineSuite: 'bookworm' });
  });

  it('is asked for when none is named', () => {
    expect(() => findDebianMirror(parseOneLineSources('deb http://ubuntu.example/ubuntu noble main'))).toThrow(
      expect.objectContaining({ code: 'not-found', hint: expect.stringContaining('GODWIT_MIRROR') }),
    );
    expect(() => findDebianMirror(parseOneLineSources('deb cdrom:[Debian]/ bookworm main'))).toThrow();
  });

  it('is read from all files that apt would read', async () => {
    mkdirSync(join(folder, 'sources.list.d'), { recursive: true });
    writeFileSync(join(folder, 'sources.list'), 'deb http://one.example sid main\n');
    writeFileSync(join(folder, 'sources.list.d/b.list'), 'deb http://two.example sid main\n');
    writeFileSync(join(folder, 'sources.list.d/a.sources'), 'Types: deb\nURIs: http://three.example\nSuites: sid\n');
    writeFileSync(join(folder, 'sources.list.d/c.list.save'), 'deb http://ignored.example sid main\n');
    const sources = await readMachineSources(folder);
    expect(sources.map((source) => source.uri)).toEqual([
      'http://one.example',
      'http://three.example',
      'http://two.example',
    ]);
    expect(await readMachineSources(join(folder, 'none'))).toEqual([]);
  });
});
