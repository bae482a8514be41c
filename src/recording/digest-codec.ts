/**
 * Digests as they are stored, and comparing one that was stored with one that a replay took.
 *
 *     varint  number of harts; each a block with its registers, u64 each, whose names are in the recording's start
 *     varint  number of devices; each a block with its name, and a u64
 *     varint  pages that were written
 *     u8      0: page by page: varint pages since the one before, u32 hash. Up to MOST_PAGES
 *             1: by groups of 1024 pages: varint how many;
 *                each varint groups since the one before, varint pages, u32 sum of hashes
 */
import { MAP_ENTRIES } from '../memory/layout.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import type { PageHashes, StateDigest } from './digest.ts';
import { REGISTER_NAMES, type RegisterDifference, registerNamed, registersThatDiffer } from './registers.ts';

const MOST_PAGES = 512;
const BY_PAGE = 0;
const BY_GROUP = 1;
const MAXIMUM_DEVICES = 1024;
const MAXIMUM_HARTS = 4096;
/** Guest memory ends there. */
const MAXIMUM_PAGES = 2 ** 20;

interface GroupHash {
  readonly count: number;
  readonly sum: number;
}

/** A digest as it was recorded. */
export interface StoredDigest {
  /** Registers of each. */
  readonly harts: readonly Uint8Array[];
  readonly devices: ReadonlyMap<string, bigint>;
  readonly writtenPages: number;
  /** By page, where they were few; else by group. */
  readonly pages: ReadonlyMap<number, number> | undefined;
  readonly groups: ReadonlyMap<number, GroupHash> | undefined;
}

/** What is not the same. */
export interface DigestDifference {
  /** Of the harts. */
  readonly registers: readonly RegisterDifference[];
  /** By name. */
  readonly devices: readonly string[];
  /** Pages of guest RAM, by number; where only groups were recorded, what a replay wrote in those that differ. */
  readonly pages: readonly number[];
  /** Whether every page of `pages` is known to differ, or only that one among them does. */
  readonly exactPages: boolean;
}

export function encodeDigest({ harts, devices, memory }: StateDigest): Uint8Array {
  const bytes = new ByteWriter();
  bytes.varint(harts.length);
  for (const registers of harts) bytes.block(registers);
  bytes.varint(devices.size);
  for (const [name, hash] of devices) {
    bytes.text(name);
    bytes.u64(hash);
  }
  bytes.varint(memory.pages.length);
  if (memory.pages.length <= MOST_PAGES) encodePages(bytes, memory);
  else encodeGroups(bytes, groupsOf(memory));
  return bytes.take();
}

function encodePages(bytes: ByteWriter, { pages, hashes }: PageHashes): void {
  bytes.u8(BY_PAGE);
  let before = 0;
  pages.forEach((page, index) => {
    bytes.varint(page - before);
    bytes.u32(hashes[index]!);
    before = page;
  });
}

function encodeGroups(bytes: ByteWriter, groups: ReadonlyMap<number, GroupHash>): void {
  bytes.u8(BY_GROUP);
  bytes.varint(groups.size);
  let before = 0;
  for (const [group, { count, sum }] of groups) {
    bytes.varint(group - before);
    bytes.varint(count);
    bytes.u32(sum);
    before = group;
  }
}

/** By rising group. A page of zeros counts like one that was not written. */
function groupsOf({ pages, hashes }: PageHashes): Map<number, GroupHash> {
  const groups = new Map<number, GroupHash>();
  pages.forEach((page, index) => {
    const group = Math.floor(page / MAP_ENTRIES);
    const hash = hashes[index]!;
    const { count, sum } = groups.get(group) ?? { count: 0, sum: 0 };
    groups.set(group, { count: count + (hash === 0 ? 0 : 1), sum: (sum + hash) >>> 0 });
  });
  return groups;
}

/** Throws a RangeError. */
export function decodeDigest(content: Uint8Array): StoredDigest {
  const reader = new ByteReader(content);
  const harts = Array.from({ length: bounded(reader.varint(), MAXIMUM_HARTS) }, () => reader.block());
  const devices = new Map<string, bigint>();
  const deviceCount = bounded(reader.varint(), MAXIMUM_DEVICES);
  for (let i = 0; i < deviceCount; i++) devices.set(reader.text(), reader.u64());
  const writtenPages = bounded(reader.varint(), MAXIMUM_PAGES);
  const isByPage = reader.u8() === BY_PAGE;
  return {
    harts,
    devices,
    writtenPages,
    pages: isByPage ? decodePages(reader, writtenPages) : undefined,
    groups: isByPage ? undefined : decodeGroups(reader),
  };
}

/** Whether every hart was waiting for an interrupt. `names`: of the registers. */
export function isWaiting({ harts }: StoredDigest, names: readonly string[]): boolean {
  return harts.every((registers) => (registerNamed('waiting', registers, names) ?? 0n) !== 0n);
}

function bounded(value: number, maximum: number): number {
  if (value > maximum) throw new RangeError('a digest makes no sense');
  return value;
}

function decodePages(reader: ByteReader, count: number): Map<number, number> {
  const pages = new Map<number, number>();
  let page = 0;
  for (let i = 0; i < count; i++) {
    page += reader.varint();
    pages.set(page, reader.u32());
  }
  return pages;
}

function decodeGroups(reader: ByteReader): Map<number, GroupHash> {
  const groups = new Map<number, GroupHash>();
  const count = bounded(reader.varint(), MAXIMUM_PAGES / MAP_ENTRIES);
  let group = 0;
  for (let i = 0; i < count; i++) {
    group += reader.varint();
    groups.set(group, { count: reader.varint(), sum: reader.u32() });
  }
  return groups;
}

/** Undefined: they are the same. `registerNames`: as they were recorded. Throws a RangeError. */
export function compareDigests(
  recorded: StoredDigest,
  replayed: StateDigest,
  registerNames: readonly string[] = REGISTER_NAMES,
): DigestDifference | undefined {
  const registers = registersThatDiffer(recorded.harts, replayed.harts, registerNames);
  const names = new Set([...recorded.devices.keys(), ...replayed.devices.keys()]);
  const devices = [...names].filter((name) => recorded.devices.get(name) !== replayed.devices.get(name));
  const pages = recorded.pages
    ? pagesThatDiffer(recorded.pages, replayed.memory)
    : pagesOfGroupsThatDiffer(recorded.groups!, replayed.memory);
  if (registers.length === 0 && devices.length === 0 && pages.length === 0) return undefined;
  return { registers, devices, pages, exactPages: recorded.pages !== undefined };
}

function pagesThatDiffer(recorded: ReadonlyMap<number, number>, { pages, hashes }: PageHashes): number[] {
  const replayed = new Map(Array.from(pages, (page, index) => [page, hashes[index]!]));
  const all = [...new Set([...recorded.keys(), ...replayed.keys()])].sort((a, b) => a - b);
  return all.filter((page) => (recorded.get(page) ?? 0) !== (replayed.get(page) ?? 0));
}

function pagesOfGroupsThatDiffer(recorded: ReadonlyMap<number, GroupHash>, memory: PageHashes): number[] {
  const replayed = groupsOf(memory);
  const nothing = { count: 0, sum: 0 };
  const differing = new Set(
    [...new Set([...recorded.keys(), ...replayed.keys()])].filter((group) => {
      const a = recorded.get(group) ?? nothing;
      const b = replayed.get(group) ?? nothing;
      return a.count !== b.count || a.sum !== b.sum;
    }),
  );
  const written = [...memory.pages].filter((page) => differing.has(Math.floor(page / MAP_ENTRIES)));
  // A group that only the recording wrote has its first page stand for it.
  const silent = [...differing].filter((group) => !replayed.has(group)).map((group) => group * MAP_ENTRIES);
  return [...written, ...silent].sort((a, b) => a - b);
}
