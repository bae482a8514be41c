import type { Graph } from './graph.ts';

/** Questions about a graph's dominator tree and its loops, each answered at once. Blocks are positions in the graph. */
export class Dominance {
  private readonly graph: Graph;
  /** Places in a walk of the tree: a block dominates those from its own place to before its end. */
  private readonly first: number[] = [];
  private readonly end: number[] = [];
  /** By block: header of the outermost loop that it is in. */
  private readonly outermost: (number | undefined)[];

  constructor(graph: Graph) {
    this.graph = graph;
    let place = 0;
    const walk = (block: number): void => {
      this.first[block] = place++;
      for (const child of graph.dominated[block]!) walk(child);
      this.end[block] = place;
    };
    walk(0);
    this.outermost = outermostLoops(graph);
  }

  dominates(a: number, b: number): boolean {
    return this.first[a]! <= this.first[b]! && this.first[b]! < this.end[a]!;
  }

  /** The nearest block that dominates both. */
  common(a: number, b: number): number {
    let at = a;
    while (!this.dominates(at, b)) at = this.graph.immediateDominator[at]!;
    return at;
  }

  /** The block itself, or the header of the outermost loop around it: what stands before that is done once. */
  beforeLoops(block: number): number {
    return this.outermost[block] ?? block;
  }
}

/** Headers come before what is in their loops, and those of outer loops before those of inner ones. */
function outermostLoops(graph: Graph): (number | undefined)[] {
  const outermost: (number | undefined)[] = graph.blocks.map(() => undefined);
  for (let header = 0; header < graph.blocks.length; header++) {
    const pending = graph.predecessors[header]!.filter((from) => from >= header);
    if (pending.length === 0) continue;
    const body = new Set([header]);
    for (let block = pending.pop(); block !== undefined; block = pending.pop()) {
      if (body.has(block)) continue;
      body.add(block);
      pending.push(...graph.predecessors[block]!);
    }
    for (const block of body) outermost[block] ??= header;
  }
  return outermost;
}
