import { type Block, isThreaded, successors } from './blocks.ts';

/**
 * The control-flow graph of a region, numbered in reverse postorder from its entry, with dominators (Cooper, Harvey,
 * Kennedy, "A Simple, Fast Dominance Algorithm").
 *
 * Edges into a loop past its header would make the graph irreducible. They are cut: what goes along them leaves the
 * region and comes in again at one that starts there. But of threaded code, in which every operation can follow every
 * other one, little would be left. There they go through a *dispatcher*: a block without instructions in front of the
 * entry, which goes on where it is told, and so is the header of a loop around everything. Elsewhere that costs more
 * than it saves, since it takes from all other loops what they have in registers.
 */
export interface Graph {
  /** In reverse postorder; the first is the dispatcher, if there is one, or else the entry. */
  readonly blocks: readonly Block[];
  /** By start offset: position in `blocks`. The dispatcher has none. */
  readonly position: ReadonlyMap<number, number>;
  readonly immediateDominator: readonly number[];
  /** Positions. */
  readonly predecessors: readonly (readonly number[])[];
  /** Children in the dominator tree, rising. */
  readonly dominated: readonly (readonly number[])[];
  /** Positions that the dispatcher chooses among, the entry first; empty without one. */
  readonly dispatched: readonly number[];
  /** The edge goes through the dispatcher. */
  isDispatched(from: number, to: number): boolean;
  isCut(from: number, to: number): boolean;
}

export const DISPATCHER = 0;

export function makeGraph(all: readonly Block[], entry: number): Graph {
  const detours = { rerouted: new Set<string>(), dispatched: new Set<number>(), cut: new Set<string>() };
  const { rerouted, dispatched, cut } = detours;
  const hasDispatcher = isThreaded(all);
  for (;;) {
    const graph = numbered(all, entry, detours);
    const bad = irreducibleEdges(graph);
    if (bad.length === 0) return graph;
    if (!hasDispatcher) cut.add(edgeKey(bad[0]!));
    else {
      // There can be hundreds: one after the other would take long.
      for (const edge of bad) rerouted.add(edgeKey(edge));
      for (const { to } of bad) if (to.start !== entry) dispatched.add(to.start);
    }
  }
}

/** Edges are named by `edgeKey`. */
interface Detours {
  /** They go through the dispatcher. */
  readonly rerouted: ReadonlySet<string>;
  /** Start offsets of the blocks that they go to. */
  readonly dispatched: ReadonlySet<number>;
  readonly cut: ReadonlySet<string>;
}

interface Edge {
  readonly from: Block;
  readonly to: Block;
}

function edgeKey({ from, to }: Edge): string {
  return `${from.start} ${to.start}`;
}

function numbered(all: readonly Block[], entry: number, { rerouted, dispatched, cut }: Detours): Graph {
  const byStart = new Map(all.map((block) => [block.start, block]));
  const first = byStart.get(entry)!;
  const dispatcher: Block | undefined =
    rerouted.size === 0 ? undefined : { start: entry, instructions: [], ending: { kind: 'fall', next: entry } };
  const chosen = [first, ...[...dispatched].map((start) => byStart.get(start)!)];
  const targets = (block: Block): Block[] => {
    if (block === dispatcher) return [...chosen];
    return successors(block).flatMap((start) => {
      const to = byStart.get(start);
      if (!to || cut.has(edgeKey({ from: block, to }))) return [];
      return [dispatcher && rerouted.has(edgeKey({ from: block, to })) ? dispatcher : to];
    });
  };
  const blocks = reversePostorder(dispatcher ?? first, targets);
  const places = new Map(blocks.map((block, i) => [block, i]));
  const predecessors: number[][] = blocks.map(() => []);
  blocks.forEach((block, i) => {
    for (const to of targets(block)) {
      const list = predecessors[places.get(to)!]!;
      if (!list.includes(i)) list.push(i);
    }
  });
  const immediateDominator = dominators(predecessors);
  const dominated: number[][] = blocks.map(() => []);
  for (let i = 1; i < blocks.length; i++) dominated[immediateDominator[i]!]!.push(i);
  return {
    blocks,
    position: new Map(blocks.flatMap((block, i) => (block === dispatcher ? [] : [[block.start, i]]))),
    immediateDominator,
    predecessors,
    dominated,
    dispatched: dispatcher ? chosen.map((block) => places.get(block)!) : [],
    isDispatched: (from, to) => rerouted.has(edgeKey({ from: blocks[from]!, to: blocks[to]! })),
    isCut: (from, to) => cut.has(edgeKey({ from: blocks[from]!, to: blocks[to]! })),
  };
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
  const meet = (a: number, b: number): number => commonDominator(idom, a, b);
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

/** The last block that control comes through on every way to the two. */
export function commonDominator(immediateDominator: readonly number[], a: number, b: number): number {
  let [x, y] = [a, b];
  while (x !== y) {
    while (x > y) x = immediateDominator[x]!;
    while (y > x) y = immediateDominator[y]!;
  }
  return x;
}

export function dominates(graph: Graph, a: number, b: number): boolean {
  let at = b;
  while (at > a) at = graph.immediateDominator[at]!;
  return at === a;
}

/** Edges back to a block that does not dominate where they come from. */
function irreducibleEdges(graph: Graph): Edge[] {
  const { blocks, predecessors } = graph;
  return predecessors.flatMap((sources, to) =>
    sources
      .filter((from) => to <= from && !dominates(graph, to, from))
      .map((from) => ({ from: blocks[from]!, to: blocks[to]! })),
  );
}

/** A block that some later block, or itself, goes back to. */
export function isLoopHeader(graph: Graph, at: number): boolean {
  return graph.predecessors[at]!.some((from) => from >= at);
}

/** A block that control reaches forward from more than one place, or from the dispatcher. */
export function isMerge(graph: Graph, at: number): boolean {
  return graph.dispatched.includes(at) || graph.predecessors[at]!.filter((from) => from < at).length > 1;
}
