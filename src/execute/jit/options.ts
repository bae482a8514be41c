/** A way to make translated code fast that can be left out (docs/ENGINE.md). */
export type Optimization =
  | 'blocks'
  | 'calls'
  | 'pages'
  | 'lazy-loads'
  | 'jump-tables'
  | 'skip-cold'
  | 'float'
  | 'host-float'
  | 'csr'
  | 'neighbours'
  | 'linking'
  | 'cache'
  | 'background';

/** Ways to make code fast that can be left out one by one; what the guest sees is the same without them. */
export const OPTIMIZATIONS = {
  blocks: 'regions of many blocks, with their loops, in place of one block each',
  calls: 'calls and returns followed inside a region',
  pages: 'regions that go on in other pages',
  'lazy-loads': 'registers loaded where a region needs them first, outside of its loops',
  'jump-tables': 'likely targets of indirect jumps compared inside a region',
  'skip-cold': 'blocks that never ran are left out of regions',
  float: 'floating point inside regions',
  'host-float': "the host's floating-point unit, where it gives the same",
  csr: 'common control and status registers inside regions',
  neighbours: 'accesses off one base register checked once',
  linking: 'regions that go on in one another by tail calls',
  cache: 'translations kept by content and used again',
  background: 'translation in another thread, where there is one',
} as const satisfies Readonly<Record<Optimization, string>>;

export type Optimizations = Readonly<Record<Optimization, boolean>>;

export const OPTIMIZATION_NAMES = Object.keys(OPTIMIZATIONS) as Optimization[];

/** All but these. */
export function optimizationsWithout(left: readonly Optimization[] = []): Optimizations {
  return Object.fromEntries(OPTIMIZATION_NAMES.map((name) => [name, !left.includes(name)])) as Optimizations;
}

export const ALL_OPTIMIZATIONS = optimizationsWithout();

/** What a region's code depends on beside the guest's instructions. Plain data, for other threads. */
export interface CodeOptions {
  /** The memory is shared between threads, which a module has to say. */
  readonly shared: boolean;
  readonly optimizations: Optimizations;
}
