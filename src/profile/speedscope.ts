/**
 * Profiles in the file format of speedscope (https://www.speedscope.app/file-format-schema.json), as "sampled"
 * profiles.
 */
import type { Sample } from './sampler.ts';
import type { SymbolTable } from './symbols/symbol-table.ts';

export interface SpeedscopeFile {
  readonly $schema: 'https://www.speedscope.app/file-format-schema.json';
  readonly shared: { readonly frames: readonly { readonly name: string }[] };
  readonly profiles: readonly [
    {
      readonly type: 'sampled';
      readonly name: string;
      readonly unit: 'milliseconds';
      readonly startValue: number;
      readonly endValue: number;
      /** Outermost frame first: mode, symbol, tier. */
      readonly samples: readonly (readonly number[])[];
      readonly weights: readonly number[];
    },
  ];
  readonly name: string;
  readonly activeProfileIndex: 0;
  readonly exporter: string;
}

export interface ProfileSymbols {
  /** For S- and M-mode. */
  readonly kernel: SymbolTable;
  /** For U-mode, and where the kernel's have no name. */
  readonly user: SymbolTable;
}

const PAGE_MASK = 0xfffn;
const MODES: Readonly<Record<number, string>> = { 0: 'user', 1: 'kernel', 3: 'machine mode' };

export function speedscopeFile(name: string, samples: readonly Sample[], symbols: ProfileSymbols): SpeedscopeFile {
  const numbers = new Map<string, number>();
  const frame = (text: string): number => {
    const number = numbers.get(text) ?? numbers.size;
    numbers.set(text, number);
    return number;
  };
  const stacks = samples.map((sample) => stackOf(sample, symbols).map(frame));
  const weights = samples.map(({ milliseconds }) => milliseconds);
  return {
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    shared: { frames: [...numbers.keys()].map((text) => ({ name: text })) },
    profiles: [
      {
        type: 'sampled',
        name,
        unit: 'milliseconds',
        startValue: 0,
        endValue: weights.reduce((sum, weight) => sum + weight, 0),
        samples: stacks,
        weights,
      },
    ],
    name,
    activeProfileIndex: 0,
    exporter: 'godwit',
  };
}

function stackOf({ pc, privilege, translated }: Sample, { kernel, user }: ProfileSymbols): string[] {
  const mode = MODES[privilege] ?? `mode ${privilege}`;
  const tables = privilege === 0 ? [user] : [kernel, user];
  const found = tables.map((table) => table.find(pc)).find((symbol) => symbol !== undefined);
  // Without names a page stands for what is in it.
  const place = found?.name ?? `${mode} page 0x${(pc & ~PAGE_MASK).toString(16)}`;
  return [mode, place, translated ? 'translated' : 'interpreted'];
}
