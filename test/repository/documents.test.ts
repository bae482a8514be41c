/** What documents say, as far as the code can confirm it. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ACTIONS } from '../../src/api/actions.ts';
import { CHECKPOINT } from '../../src/checkpoint/sections.ts';
import { boardVersionNamed, CURRENT_BOARD, disksMaximum } from '../../src/machine/board-versions.ts';
import { virtioSlotInterrupt, virtioSlotRegion } from '../../src/machine/boot/memory-map.ts';
import { RECORDING_VERSION } from '../../src/recording/layout.ts';
import { CONTROL_ACTIONS } from '../../src/service/control/control-protocol.ts';
import { ROOT } from './import-table.ts';
import { anchorsOf, proseLines, tableUnder } from './markdown.ts';
import { constantIn, kindsOf, read, trackedFiles } from './source.ts';

const COLUMNS = 120;

function markdownIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
}

const documents = [...markdownIn('.'), ...markdownIn('docs')];

describe.each(documents)('%s', (document) => {
  const text = read(document);

  it(`has lines of ${COLUMNS} columns at most, but for tables, code and links that cannot be broken`, () => {
    expect(proseLines(text).filter((line) => line.length > COLUMNS && line.trim().includes(' '))).toEqual([]);
  });

  it('links only to files and headings that exist', () => {
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
    const dead = links.filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [path, anchor] = link.split('#');
      const target = path === '' ? document : normalize(join(dirname(document), path!));
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !anchorsOf(read(target)).includes(anchor);
    });
    expect(dead).toEqual([]);
  });

  it('names only paths that exist', () => {
    const named = [...text.matchAll(/`((?:src|test|tools|bench|docs|bin|\.ci)\/[\w./-]+)`/g)].map(([, path]) => path!);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> };
    const named = [...text.matchAll(/\bnpm (?:run (\w[\w:-]*)|(start|test)\b)/g)].map(
      ([, run, short]) => run ?? short!,
    );
    expect(named.filter((script) => scripts[script] === undefined)).toEqual([]);
  });
});

const tracked = trackedFiles();

describe.skipIf(tracked === undefined)('source files (skipped outside of a git checkout)', () => {
  const files = (tracked ?? []).filter((path) => /^(?:src|test|bench|tools)\/.*\.(?:ts|mjs)$/.test(path));

  it(`have comments of ${COLUMNS} columns at most`, () => {
    expect(files.length).toBeGreaterThan(100);
    const long = files.flatMap((path) =>
      read(path)
        .split('\n')
        .map((line, i) => ({ line, place: `${path}:${i + 1}` }))
        .filter(({ line }) => /^\s*(\/\/|\/?\*)/.test(line) && line.length > COLUMNS)
        .filter(({ line }) => line.trim().split(' ').length > 3),
    );
    expect(long.map(({ place }) => place)).toEqual([]);
  });

  it('keep private members in one way', () => {
    const member = /^\s*(?:readonly |static |async |get |set )*#\w/m;
    expect(files.filter((path) => path.startsWith('src/') && member.test(read(path)))).toEqual([]);
  });
});

const KIBIBYTE = 1024;
const UNITS: Readonly<Record<string, number>> = { KiB: KIBIBYTE, MiB: KIBIBYTE ** 2, GiB: KIBIBYTE ** 3 };

/** "96" or "3 GiB". */
function amountOf(text: string): number {
  const [amount, unit] = text.split(' ');
  return Number(amount) * (unit === undefined ? 1 : UNITS[unit]!);
}

/** "NAME in src/some/file.ts". */
function constantNamed(text: string): number {
  const [, name, path] = /^([A-Z_]+) in (\S+)$/.exec(text)!;
  if (name === 'DISKS_LIMIT') return disksMaximum(CURRENT_BOARD);
  return constantIn(path!, name!);
}

/** "0x1000_1000", as documents write addresses. */
function addressText(address: number): string {
  const digits = address.toString(16).padStart(8, '0');
  return `0x${digits.slice(0, 4)}_${digits.slice(4)}`;
}

describe('tables', () => {
  it('name every room of src/', () => {
    const cells = tableUnder(read('docs/ARCHITECTURE.md'), 'The rooms').map(([cell]) => cell!);
    const named = cells.flatMap((cell) => cell.split(', ')).map((path) => path.replace(/^src\//, ''));
    const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map(({ parentPath }) => parentPath.slice(join(ROOT, 'src').length + 1));
    const roomless = folders.filter(
      (folder) => !named.some((room) => folder === room || folder.startsWith(`${room}/`)),
    );
    // Files that stand beside the rooms.
    expect([...new Set(roomless)].sort()).toEqual(['', 'service']);
    expect(named.filter((path) => !existsSync(join(ROOT, 'src', path)))).toEqual([]);
  });

  it('name every kind of event', () => {
    const rows = tableUnder(read('docs/DETERMINISM.md'), 'Events').map(([cell]) => cell!);
    expect(rows.sort()).toEqual(kindsOf('src/machine', 'ExternalEvent').sort());
  });

  it('name every version of the board with its virtio slots', () => {
    const rows = tableUnder(read('docs/MACHINE.md'), 'Versions of the board').map(([name, ...numbers]) => [
      name,
      ...numbers.map(Number),
    ]);
    const names = [...read('src/machine/board-versions.ts').matchAll(/^ {2}name: '([\w-]+)',$/gm)].map(
      ([, name]) => name!,
    );
    expect(names).toContain(CURRENT_BOARD.name);
    const boards = names.map((name) => boardVersionNamed('The test', name));
    expect(rows).toEqual(
      boards.map((board) => [board.name, board.virtioSlots, board.virtioSlotsShown, disksMaximum(board)]),
    );
  });

  it('give every slot its address and its interrupt', () => {
    const rows = tableUnder(read('docs/MACHINE.md'), 'Slots').map((row) => row.map((cell) => cell.split(' to ')));
    let next = 0;
    for (const [slots, addresses, sources] of rows) {
      const [first, last] = slots!.map(Number) as [number, number];
      expect(first).toBe(next);
      const ends = [first, last];
      expect(addresses).toEqual(ends.map((slot) => addressText(virtioSlotRegion(slot).base)));
      expect(sources!.map(Number)).toEqual(ends.map(virtioSlotInterrupt));
      // Nothing is left out between the ends.
      expect(virtioSlotInterrupt(last) - virtioSlotInterrupt(first)).toBe(last - first);
      next = last + 1;
    }
    expect(next).toBe(CURRENT_BOARD.virtioSlots);
  });

  it('have the limits of a machine', () => {
    const rows = tableUnder(read('docs/MACHINE.md'), 'Limits');
    expect(rows.length).toBeGreaterThan(0);
    for (const [what, value, constant] of rows)
      expect({ what, is: amountOf(value!) }).toEqual({ what, is: constantNamed(constant!) });
  });

  it('have the versions of all kinds of file', () => {
    const rows = tableUnder(read('docs/FORMATS.md'), 'Versions');
    for (const [what, version, constant] of rows)
      expect({ what, is: Number(version) }).toEqual({ what, is: constantNamed(constant!) });
    const versions = new Map(rows.map(([what, version]) => [what!.split(', ').at(-1)!, Number(version)]));
    expect(versions.get('CKPT')).toBe(CHECKPOINT.version);
    expect(versions.get('RECO')).toBe(RECORDING_VERSION);
    expect(versions.size).toBe(3);
  });

  it('name every action, and whether other processes may ask for it', () => {
    const rows = tableUnder(read('docs/PROCESSES.md'), 'Actions').map(([name, open]) => `${name}: ${open}`);
    const actions = [...new Set([...Object.keys(ACTIONS), ...Object.keys(CONTROL_ACTIONS)])];
    const isOpen = (name: string): boolean => Object.hasOwn(CONTROL_ACTIONS, name);
    expect(rows.sort()).toEqual(actions.map((name) => `${name}: ${isOpen(name) ? 'yes' : 'no'}`).sort());
  });
});
