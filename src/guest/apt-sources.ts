/**
 * Finds the Debian mirror that this machine's own apt sources name (sources.list(5): the one-line and the deb822
 * style). Nothing in godwit knows a mirror by name.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GodwitError } from '../common/errors.ts';

/** One "deb" line or stanza that is enabled. */
export interface AptSource {
  uri: string;
  suite: string;
  components: string[];
}

/** Suites of Debian's main archive, without -updates, -backports and the like, which share its address. */
const DEBIAN_SUITES = new Set([
  ...['stable', 'testing', 'unstable', 'oldstable', 'oldoldstable', 'sid'],
  ...['buster', 'bullseye', 'bookworm', 'trixie', 'forky', 'duke'],
]);

/**
 * Parses the one-line style: `deb [option=value ...] uri suite component ...`. Lines it can't read are skipped, as
 * comments are.
 */
export function parseOneLineSources(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)/.exec(line.replace(/#.*$/, ''));
    if (match === null) return [];
    const [, uri = '', suite = '', components = ''] = match;
    return [{ uri, suite, components: components.split(/\s+/).filter((word) => word !== '') }];
  });
}

/** The fields of one deb822 stanza, keys in lower case; lines that begin with a space continue the field before. */
function parseStanza(stanza: string): Map<string, string> {
  const fields = new Map<string, string>();
  let key: string | undefined;
  for (const line of stanza.split('\n')) {
    if (line.startsWith('#')) continue;
    const start = /^([^\s:]+)\s*:(.*)$/.exec(line);
    if (start !== null) {
      key = (start[1] ?? '').toLowerCase();
      fields.set(key, (start[2] ?? '').trim());
    } else if (key !== undefined && /^\s/.test(line)) {
      fields.set(key, `${fields.get(key) ?? ''} ${line.trim()}`.trim());
    }
  }
  return fields;
}

/** Parses the deb822 style: stanzas of fields, separated by empty lines. */
export function parseDeb822Sources(text: string): AptSource[] {
  return text.split(/\n[ \t]*\n/).flatMap((stanza) => {
    const fields = parseStanza(stanza);
    const words = (key: string): string[] => (fields.get(key) ?? '').split(/\s+/).filter((word) => word !== '');
    if (!words('types').includes('deb') || /^(no|false|0|off|without|disable)$/i.test(fields.get('enabled') ?? ''))
      return [];
    return words('uris').flatMap((uri) =>
      words('suites').map((suite) => ({ uri, suite, components: words('components') })),
    );
  });
}

async function readIfThere(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

/** All enabled sources of this machine. `etcApt` is /etc/apt but for tests. */
export async function readMachineSources(etcApt = '/etc/apt'): Promise<AptSource[]> {
  const sources = parseOneLineSources(await readIfThere(join(etcApt, 'sources.list')));
  const parts = join(etcApt, 'sources.list.d');
  const names = (await readdir(parts).catch(() => [] as string[])).sort();
  for (const name of names) {
    if (name.endsWith('.list')) sources.push(...parseOneLineSources(await readIfThere(join(parts, name))));
    if (name.endsWith('.sources')) sources.push(...parseDeb822Sources(await readIfThere(join(parts, name))));
  }
  return sources;
}

function isDebianArchive(source: AptSource): boolean {
  return DEBIAN_SUITES.has(source.suite) && source.components.includes('main') && !source.uri.startsWith('cdrom:');
}

/** What the machine's sources say about Debian's main archive. */
export interface DebianMirror {
  uri: string;
  /** The machine's own release: the suite that its sources name there. */
  machineSuite: string;
}

/** The first Debian mirror among the sources. Throws GodwitError('not-found') if there is none. */
export function findDebianMirror(sources: readonly AptSource[]): DebianMirror {
  const first = sources.find(isDebianArchive);
  if (first === undefined) {
    throw new GodwitError('not-found', "No mirror of Debian is named in this machine's apt sources.", {
      hint: 'Name one with the environment variable GODWIT_MIRROR, the way a line of sources.list would.',
    });
  }
  return { uri: first.uri, machineSuite: first.suite };
}
