import { type Block, successors } from './blocks.ts';

/**
 * The control-flow graph of a region, numbered in reverse postorder from its entry, with dominators (Cooper, Harvey, Kennedy, "A
 * Simple, Fast Dominance Algorithm"). Edges into a loop past its header would make the graph irreducible: they are cut, and what
 * goes along them leaves the region and comes in again at a region that starts there.
 */
export interface Graph {
  /** In reverse postorder; the first is the entry. */
  readonly blocks: readonly Block[];
  /** By start offset: position in `blocks`. */
  readonly position: ReadonlyMap<number, number>;
  readonly immediateDominator: readonly number[];
  /** Positions; only edges that are kept. */
  readonly predecessors: readonly (readonly number[])[];
  /** Children in the dominator tree, rising. */
  readonly dominated: readonly (readonly number[])[];
  isCut(from: number, to: number): boolean;
}

export function makeGraph(all: readonly Block[], entry: number): Graph {
  const cut = new Set<string>();
  for (;;) {
    const graph = numbered(all, entry, cut);
    const bad = irreducibleEdge(graph);
    if (!bad) return graph;
    cut.add(bad);
  }
}

function edgeKey(from: Block, to: Block): string {
  return `${from.start} ${to.start}`;
}

function numbered(all: readonly Block[], entry: number, cut: ReadonlySet<string>): Graph {
  const byStart = new Map(all.map((block) => [block.start, block]));
  const targets = (block: Block): Block[] =>
    successors(block).flatMap((start) => {
      const to = byStart.get(start);
      return to && !cut.has(edgeKey(block, to)) ? [to] : [];
    });
  const blocks = reversePostorder(byStart.get(entry)!, targets);
  const position = new Map(blocks.map((block, i) => [block.start, i]));
  const predecessors: number[][] = blocks.map(() => []);
  blocks.forEach((block, i) => {
    for (const to of targets(block)) {
      const list = predecessors[position.get(to.start)!]!;
      if (!list.includes(i)) list.push(i);
    }
  });
  const immediateDominator = dominators(predecessors);
  const dominated: number[][] = blocks.map(() => []);
  for (let i = 1; i < blocks.length; i++) dominated[immediateDominator[i]!]!.push(i);
  const isCut = (from: number, to: number) => cut.has(edgeKey(blocks[from]!, blocks[to]!));
  return { blocks, position, immediateDominator, predecessors, dominated, isCut };
}

function reversePostorder(entry: Block, targets: (block: Block) => Block[]): Block[] {
  const order: Block[] = [];
  const seen = new Set<Block>([entry]);
  const stack = [{ block: entry, rest: targets(entry) }];
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    const next = top.rest.pop();
    if (next === undefined) {
      order.push(top.block);
      stack.pop();
    } else if (!seen.has(next)) {
      seen.add(next);
      stack.push({ block: next, rest: targets(next) });
    }
  }
  return order.reverse();
}

function dominators(predecessors: readonly (readonly number[])[]): number[] {
  const idom: number[] = predecessors.map(() => -1);
  idom[0] = 0;
  const meet = (a: number, b: number): number => nearestCommon(idom, a, b);
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 1; i < predecessors.length; i++) {
      const known = predecessors[i]!.filter((p) => idom[p] !== -1);
      const next = known.reduce(meet);
      if (idom[i] !== next) {
        idom[i] = next;
        changed = true;
      }
    }
  }
  return idom;
}

function nearestCommon(immediateDominator: readonly number[], a: number, b: number): number {
  let [x, y] = [a, b];
  while (x !== y) {
    while (x > y) x = immediateDominator[x]!;
    while (y > x) y = immediateDominator[y]!;
  }
  return x;
}

/** The last block that control comes through on every way to the two. */
export function commonDominator({ immediateDominator }: Graph, a: number, b: number): number {
  return nearestCommon(immediateDominator, a, b);
}

export function dominates(graph: Graph, a: number, b: number): boolean {
  let at = b;
  while (at > a) at = graph.immediateDominator[at]!;
  return at === a;
}

/** An edge back to a block that does not dominate where it comes from. */
function irreducibleEdge(graph: Graph): string | undefined {
  for (let to = 0; to < graph.blocks.length; to++) {
    for (const from of graph.predecessors[to]!) {
      if (to <= from && !dominates(graph, to, from)) return edgeKey(graph.blocks[from]!, graph.blocks[to]!);
    }
  }
  return undefined;
}

/** A block that some later block, or itself, goes back to. */
export function isLoopHeader(graph: Graph, at: number): boolean {
  return graph.predecessors[at]!.some((from) => from >= at);
}

/** A block that control reaches forward from more than one place. */
export function isMerge(graph: Graph, at: number): boolean {
  return graph.predecessors[at]!.filter((from) => from < at).length > 1;
}
