/** Reads a flattened device tree, strictly: what the writer gives is taken apart by other code than put it together. */
export interface ReadNode {
  name: string;
  properties: Map<string, Uint8Array>;
  children: ReadNode[];
}

export interface ReadFdt {
  root: ReadNode;
  bootHart: number;
  reservations: { address: bigint; sizeBytes: bigint }[];
}

export function readFdt(fdt: Uint8Array): ReadFdt {
  const view = new DataView(fdt.buffer, fdt.byteOffset, fdt.length);
  const header = (index: number): number => view.getUint32(4 * index);
  require(header(0) === 0xd00dfeed, 'the magic number');
  require(header(1) === fdt.length, 'totalsize');
  require(header(5) === 17 && header(6) === 16, 'the version');
  const [structure, names, reservationsAt] = [header(2), header(3), header(4)];
  require(structure % 4 === 0 && reservationsAt % 8 === 0, 'the alignment of blocks');
  require(structure + header(9) <= names && names + header(8) <= fdt.length, 'the order of blocks');

  const reservations: ReadFdt['reservations'] = [];
  for (let at = reservationsAt; ; at += 16) {
    require(at + 16 <= structure, 'the end of the reservation block');
    const entry = { address: view.getBigUint64(at), sizeBytes: view.getBigUint64(at + 8) };
    if (entry.address === 0n && entry.sizeBytes === 0n) break;
    reservations.push(entry);
  }

  let at = structure;
  const u32 = (): number => {
    at += 4;
    return view.getUint32(at - 4);
  };
  const text = (from: number): string => {
    const end = fdt.indexOf(0, from);
    return new TextDecoder().decode(fdt.subarray(from, end));
  };
  const readNode = (): ReadNode => {
    const name = text(at);
    at += (name.length + 4) & ~3;
    const node: ReadNode = { name, properties: new Map(), children: [] };
    for (;;) {
      const token = u32();
      if (token === 2) return node;
      if (token === 1) node.children.push(readNode());
      else {
        require(token === 3, `token ${token}`);
        require(node.children.length === 0, 'a property behind a child');
        const length = u32();
        const property = text(names + u32());
        require(!node.properties.has(property), `a second ${property}`);
        node.properties.set(property, fdt.slice(at, at + length));
        at += (length + 3) & ~3;
      }
    }
  };
  require(u32() === 1, 'the root node');
  const root = readNode();
  require(u32() === 9, 'the end token');
  require(at === structure + header(9), 'size_dt_struct');
  return { root, bootHart: header(7), reservations };
}

/** The node at a path like "/soc/serial@10000000". */
export function findNode(tree: ReadFdt, path: string): ReadNode {
  let at = tree.root;
  for (const name of path.split('/').filter((part) => part !== '')) {
    const child = at.children.find((candidate) => candidate.name === name);
    if (child === undefined) throw new Error(`${path}: there is no ${name}`);
    at = child;
  }
  return at;
}

export function cellsOf(node: ReadNode, property: string): number[] {
  const value = node.properties.get(property);
  if (value === undefined || value.length % 4 !== 0) throw new Error(`${node.name} has no cells ${property}`);
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  return Array.from({ length: value.length / 4 }, (_, index) => view.getUint32(4 * index));
}

export function stringsOf(node: ReadNode, property: string): string[] {
  const value = node.properties.get(property);
  if (value === undefined || value.at(-1) !== 0) throw new Error(`${node.name} has no strings ${property}`);
  return new TextDecoder().decode(value.subarray(0, -1)).split('\0');
}

function require(holds: boolean, what: string): void {
  if (!holds) throw new Error(`a device tree with a wrong ${what}`);
}
