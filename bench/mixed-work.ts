/** What a long run does: a random but repeatable sequence of programs. */
import { SUITE } from './suite.ts';

export interface Work {
  readonly name: string;
  readonly repetitions: number;
}

/** A piece of work takes some seconds at most, with a count between the two. */
export interface Choice {
  readonly name: string;
  readonly least: number;
  readonly most: number;
}

/** On Debian. What its disk lacks is left out. */
const ON_DEBIAN: readonly (Choice & { readonly needs: string })[] = [
  { name: 'shell', needs: 'perl', least: 1, most: 4 },
  { name: 'python3', needs: 'python3', least: 1, most: 3 },
  { name: 'sqlite3', needs: 'sqlite3', least: 5000, most: 60_000 },
  { name: 'gzip', needs: 'gzip', least: 1, most: 8 },
  { name: 'xz', needs: 'xz-utils', least: 1, most: 4 },
  { name: 'gcc', needs: 'gcc', least: 1, most: 20 },
  { name: 'openssl-sha256', needs: 'openssl', least: 1, most: 1 },
  { name: 'openssl-aes-128-cbc', needs: 'openssl', least: 1, most: 1 },
];

export function workOnDebian(packages: Readonly<Record<string, string>>): readonly Choice[] {
  return ON_DEBIAN.filter(({ needs }) => needs in packages);
}

/** The CPU suite, in small pieces, where there is no Debian. */
export function workOfSuite(): readonly Choice[] {
  return SUITE.map(({ name, repetitions }) => ({ name, least: Math.ceil(repetitions / 20), most: repetitions }));
}

/** Marsaglia's xorshift32: the same sequence everywhere. */
export function* mixedWork(choices: readonly Choice[], seed: number): Generator<Work, never> {
  let state = seed >>> 0 || 1;
  const below = (limit: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
  for (;;) {
    const { name, least, most } = choices[below(choices.length)]!;
    yield { name, repetitions: least + below(most - least + 1) };
  }
}
