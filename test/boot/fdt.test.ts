import { describe, expect, it } from 'vitest';
import { GodwitError } from '../../src/common/errors.ts';
import {
  bytes,
  cells,
  type DeviceTreeNode,
  EMPTY,
  node,
  type PropertyValue,
  reference,
  strings,
  u64,
  writeFdt,
} from '../../src/machine/boot/fdt.ts';
import { forSeeds, type Random } from '../device/doubles.ts';
import { cellsOf, findNode, type ReadNode, readFdt, stringsOf } from './support/fdt-reader.ts';

/** A random tree, and what a reader should find in it. */
function randomTree(random: Random, name: string, depth: number): { tree: DeviceTreeNode; expected: ReadNode } {
  const properties: Record<string, PropertyValue> = {};
  const expected: ReadNode = { name, properties: new Map(), children: [] };
  for (let index = random.below(5); index > 0; index--) {
    const value = random.bytes(random.below(9));
    properties[`p${index}`] = bytes(value);
    expected.properties.set(`p${index}`, value);
  }
  const children: DeviceTreeNode[] = [];
  for (let index = depth > 0 ? random.below(4) : 0; index > 0; index--) {
    const child = randomTree(random, `${'n'.repeat(1 + random.below(8))}@${index}`, depth - 1);
    children.push(child.tree);
    expected.children.push(child.expected);
  }
  return { tree: node(name, properties, children), expected };
}

describe('the flattened device tree writer', () => {
  it('writes what a reader finds again', () => {
    forSeeds(50, (random) => {
      const { tree, expected } = randomTree(random, '', 4);
      const reservations = Array.from({ length: random.below(3) }, () => ({
        address: BigInt(1 + random.u32()),
        sizeBytes: BigInt(random.u32()),
      }));
      const fdt = writeFdt(tree, { reservations, bootHart: random.below(4) });
      expect(fdt.length % 8).toBe(0);
      expect(readFdt(fdt)).toMatchObject({ root: expected, reservations });
    });
  });

  it('encodes each kind of property', () => {
    const tree = readFdt(
      writeFdt(
        node('', {
          flag: EMPTY,
          numbers: cells(1, 0xffff_ffff),
          wide: u64(0x1234_5678_9abc_def0n),
          words: strings('a', 'Grüße'),
        }),
      ),
    );
    expect(tree.root.properties.get('flag')).toEqual(new Uint8Array(0));
    expect(cellsOf(tree.root, 'numbers')).toEqual([1, 0xffff_ffff]);
    expect(cellsOf(tree.root, 'wide')).toEqual([0x1234_5678, 0x9abc_def0]);
    expect(stringsOf(tree.root, 'words')).toEqual(['a', 'Grüße']);
  });

  it('numbers the nodes that have labels, and fills references to them in, also forward ones', () => {
    const tree = readFdt(
      writeFdt(
        node('', { later: cells(reference('b'), 7) }, [
          node('one', {}, [], 'a'),
          node('two', {}, [], 'b'),
          node('three', {}),
        ]),
      ),
    );
    expect(cellsOf(findNode(tree, '/two'), 'phandle')).toEqual([2]);
    expect(cellsOf(tree.root, 'later')).toEqual([2, 7]);
    expect(findNode(tree, '/three').properties.size).toBe(0);
  });

  it.each<[string, DeviceTreeNode]>([
    ['a reference to nothing', node('', { x: cells(reference('gone')) })],
    ['a label twice', node('', {}, [node('a', {}, [], 'l'), node('b', {}, [], 'l')])],
    ['two children of one name', node('', {}, [node('a', {}), node('a', {})])],
    ['a name with a slash', node('', {}, [node('a/b', {})])],
    ['an empty name', node('', {}, [node('', {})])],
    ['a property with a bad name', node('', { 'a b': EMPTY })],
  ])('refuses %s', (_, tree) => {
    expect(() => writeFdt(tree)).toThrow(GodwitError);
  });
});
