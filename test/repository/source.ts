/** What source files say, for tests that hold documents against them. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './import-table.ts';

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** What git has of the checkout, or undefined outside of one. */
export function trackedFiles(): string[] | undefined {
  const { status, stdout } = spawnSync('git', ['-C', ROOT, 'ls-files', '-z'], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  return stdout.split('\0').filter((path) => path !== '' && existsSync(join(ROOT, path)));
}

/** The value of a constant number as a source file writes it: of numbers, operators, and constants of the same file. */
export function constantIn(path: string, name: string): number {
  const text = new RegExp(`^(?:export )?const ${name}(?:: number)? = (.*);$`, 'm').exec(read(path))?.[1];
  if (text === undefined) throw new Error(`${path} has no constant ${name}.`);
  const terms = text.replaceAll(/\b[A-Z][A-Z_]+\b/g, (other) => String(constantIn(path, other)));
  if (!/^[\d_ ()*+-]+$/.test(terms)) throw new Error(`${path}: "${text}" is no plain number.`);
  return Number(new Function(`return ${terms}`)());
}

/** The kinds of a union of object types, wherever in a folder the source declares it. */
export function kindsOf(folder: string, type: string): string[] {
  const start = `export type ${type} =`;
  const texts = readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => read(`${folder}/${name}`))
    .filter((text) => text.includes(start));
  if (texts.length !== 1) throw new Error(`${texts.length} files of ${folder} declare ${type}.`);
  const [declaration] = texts[0]!.slice(texts[0]!.indexOf(start)).split(';\n\n', 1);
  return [...declaration!.matchAll(/\bkind: '([\w-]+)'/g)].map(([, kind]) => kind!);
}
