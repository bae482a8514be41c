/**
 * Writes flattened device trees (Devicetree specification v0.4, chapter 5), format version 17.
 *
 *     offset   content
 *     0x00     header: ten big-endian u32 (5.2)
 *     0x28     memory reservation block: (address u64, size u64)*, ended by a pair of zeros (5.3)
 *     ...      structure block: tokens and data, each aligned to 4 bytes (5.4)
 *     ...      strings block: property names, each ended by a zero (5.5)
 */

import { strToU8 } from 'fflate';
import { GodwitError } from '../../common/errors.ts';
import { invariant, present } from '../../common/invariant.ts';

export const FDT_MAGIC = 0xd00dfeed;
export const FDT_VERSION = 17;
export const FDT_LAST_COMPATIBLE_VERSION = 16;
export const FDT_HEADER_BYTES = 40;
/** A device tree starts at a multiple of this (5.6). */
export const FDT_ALIGNMENT_BYTES = 8;

export const FDT_BEGIN_NODE = 1;
export const FDT_END_NODE = 2;
export const FDT_PROP = 3;
export const FDT_END = 9;

/** A phandle that the writer fills in: a cell that names the node with this label. */
export interface Reference {
  readonly label: string;
}

export type Cell = number | Reference;

export type PropertyValue =
  | { readonly kind: 'cells'; readonly cells: readonly Cell[] }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

export interface DeviceTreeNode {
  readonly name: string;
  /** Written in this order. `phandle` is added by the writer to nodes that are referred to. */
  readonly properties: Readonly<Record<string, PropertyValue>>;
  readonly children: readonly DeviceTreeNode[];
  readonly label: string | undefined;
}

export interface MemoryReservation {
  readonly address: bigint;
  readonly sizeBytes: bigint;
}

export interface FdtOptions {
  readonly reservations?: readonly MemoryReservation[];
  /** `boot_cpuid_phys`: `reg` of the hart that boots. */
  readonly bootHart?: number;
}

export function node(
  name: string,
  properties: Readonly<Record<string, PropertyValue>>,
  children: readonly DeviceTreeNode[] = [],
  label?: string,
): DeviceTreeNode {
  return { name, properties, children, label };
}

export function reference(label: string): Reference {
  return { label };
}

/** A property whose presence says it all. */
export const EMPTY: PropertyValue = { kind: 'bytes', bytes: new Uint8Array(0) };

/** 32-bit numbers and references, big-endian. */
export function cells(...values: Cell[]): PropertyValue {
  return { kind: 'cells', cells: values };
}

/** A 64-bit number as two cells, high half first. */
export function u64(value: bigint): PropertyValue {
  return cells(...u64Cells(value));
}

/** The two cells of a 64-bit number, for `reg` and the like. */
export function u64Cells(value: bigint): [number, number] {
  return [Number((value >> 32n) & 0xffff_ffffn), Number(value & 0xffff_ffffn)];
}

/** One or more strings, each ended by a zero byte. */
export function strings(...values: string[]): PropertyValue {
  for (const value of values) {
    if (value.includes('\0')) throw new GodwitError('usage', 'A string in a device tree cannot hold a zero byte.');
  }
  return { kind: 'bytes', bytes: strToU8(values.map((value) => `${value}\0`).join('')) };
}

export function bytes(value: Uint8Array): PropertyValue {
  return { kind: 'bytes', bytes: value };
}

/** The tree has sound names, none of them twice in a node, and refers only to labels that it has. */
export function writeFdt(root: DeviceTreeNode, options: FdtOptions = {}): Uint8Array {
  const reservations = options.reservations ?? [];
  const structure = new StructureBlock(numberLabels(root));
  structure.tree(root, '/');
  const body = structure.finish();
  const names = structure.names.block();

  const structureOffset = FDT_HEADER_BYTES + 16 * (reservations.length + 1);
  const stringsOffset = structureOffset + body.length;
  const totalBytes = alignUp(stringsOffset + names.length, FDT_ALIGNMENT_BYTES);
  const fdt = new Uint8Array(totalBytes);
  const view = new DataView(fdt.buffer);
  const header = [
    FDT_MAGIC,
    totalBytes,
    structureOffset,
    stringsOffset,
    FDT_HEADER_BYTES,
    FDT_VERSION,
    FDT_LAST_COMPATIBLE_VERSION,
    options.bootHart ?? 0,
    names.length,
    body.length,
  ];
  header.forEach((value, index) => {
    view.setUint32(4 * index, value);
  });
  reservations.forEach(({ address, sizeBytes }, index) => {
    view.setBigUint64(FDT_HEADER_BYTES + 16 * index, address);
    view.setBigUint64(FDT_HEADER_BYTES + 16 * index + 8, sizeBytes);
  });
  fdt.set(body, structureOffset);
  fdt.set(names, stringsOffset);
  return fdt;
}

/** Phandles by label: 1, 2, ... in the order of the tree. */
function numberLabels(root: DeviceTreeNode): Map<string, number> {
  const phandles = new Map<string, number>();
  const visit = (at: DeviceTreeNode): void => {
    if (at.label !== undefined) {
      invariant(!phandles.has(at.label), `a device tree has one node labelled ${at.label}`);
      phandles.set(at.label, phandles.size + 1);
    }
    at.children.forEach(visit);
  };
  visit(root);
  return phandles;
}

/** Characters of node names and property names (2.2.1, 2.2.4.1). */
const NODE_NAME = /^[0-9a-zA-Z,._+-]{1,31}(@[0-9a-zA-Z,._+-]+)?$/;
const PROPERTY_NAME = /^[0-9a-zA-Z,._+?#-]{1,31}$/;

class StructureBlock {
  readonly names = new StringsBlock();
  private readonly phandles: ReadonlyMap<string, number>;
  private readonly out: number[] = [];

  constructor(phandles: ReadonlyMap<string, number>) {
    this.phandles = phandles;
  }

  tree(at: DeviceTreeNode, path: string): void {
    this.u32(FDT_BEGIN_NODE);
    this.padded(strToU8(`${at.name}\0`));
    for (const [name, value] of Object.entries(at.properties)) this.property(path, name, this.encode(path, value));
    if (at.label !== undefined) this.property(path, 'phandle', u32(this.phandleOf(path, { label: at.label })));
    const seen = new Set<string>();
    for (const child of at.children) {
      invariant(NODE_NAME.test(child.name), `nodes in ${path} of a device tree have sound names: "${child.name}"`);
      invariant(!seen.has(child.name), `nodes in ${path} of a device tree have different names: "${child.name}"`);
      seen.add(child.name);
      this.tree(child, `${path === '/' ? '' : path}/${child.name}`);
    }
    this.u32(FDT_END_NODE);
  }

  finish(): Uint8Array {
    this.u32(FDT_END);
    return Uint8Array.from(this.out);
  }

  private property(path: string, name: string, value: Uint8Array): void {
    invariant(PROPERTY_NAME.test(name), `properties of ${path} in a device tree have sound names: "${name}"`);
    this.u32(FDT_PROP);
    this.u32(value.length);
    this.u32(this.names.offsetOf(name));
    this.padded(value);
  }

  private encode(path: string, value: PropertyValue): Uint8Array {
    if (value.kind === 'bytes') return value.bytes;
    const encoded = new Uint8Array(4 * value.cells.length);
    value.cells.forEach((cell, index) => {
      encoded.set(u32(typeof cell === 'number' ? cell : this.phandleOf(path, cell)), 4 * index);
    });
    return encoded;
  }

  private phandleOf(path: string, { label }: Reference): number {
    return present(this.phandles.get(label), `${path} in a device tree refers to a node that exists: ${label}`);
  }

  private u32(value: number): void {
    for (const byte of u32(value)) this.out.push(byte);
  }

  private padded(data: Uint8Array): void {
    for (const byte of data) this.out.push(byte);
    while (this.out.length % 4 !== 0) this.out.push(0);
  }
}

class StringsBlock {
  private readonly offsets = new Map<string, number>();
  private text = '';

  offsetOf(name: string): number {
    const known = this.offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.text.length;
    this.offsets.set(name, offset);
    this.text += `${name}\0`;
    return offset;
  }

  block(): Uint8Array {
    return strToU8(this.text);
  }
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
