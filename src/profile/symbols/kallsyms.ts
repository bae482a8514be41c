/**
 * The symbols that Linux keeps of itself (scripts/kallsyms.c, kernel/kallsyms.c), found in a copy of its memory.
 * Everything is aligned to 8 bytes, and lies in this order; before Linux 6.4 the last two stood in front.
 *
 *   kallsyms_num_syms       u32
 *   kallsyms_names          for each symbol a length (one byte, or two of 7 bits when bit 7 is set) and as many tokens
 *   of one byte;
 *                           expanded, the first character is the kind of symbol, as `nm` has it
 *   kallsyms_markers        u32 for every 256th symbol: where in the names it is
 *   kallsyms_token_table    256 strings with a zero at their ends
 *   kallsyms_token_index    u16 for each token: where in the table it is
 *   kallsyms_offsets        i32 for each symbol: from the base
 *   kallsyms_relative_base  u64
 */
import type { GuestSymbol } from './symbol-table.ts';
import { isCode } from './system-map.ts';

const TOKENS = 256;
const ALIGNMENT = 8;
const SYMBOLS_PER_MARKER = 256;
const SYMBOLS_LIMIT = 1 << 20;
/** Names behind the last marker: 256 of them at most, few of which are long. */
const LAST_NAMES_BYTES = 256 * 130;
/** Digits are tokens for themselves, one behind the other. */
const DIGITS = Uint8Array.from([...'0123456789'].flatMap((digit) => [digit.charCodeAt(0), 0]));

function aligned(at: number): number {
  return Math.ceil(at / ALIGNMENT) * ALIGNMENT;
}

interface TokenTable {
  readonly start: number;
  readonly end: number;
  readonly tokens: readonly string[];
}

interface Names {
  readonly count: number;
  /** Where the first one is. */
  readonly start: number;
}

/** The kernel's code symbols; none when there are no tables that make sense. */
export function readKallsyms(memory: Uint8Array): GuestSymbol[] {
  const view = new DataView(memory.buffer, memory.byteOffset, memory.length);
  for (let at = indexOf(memory, DIGITS, 0); at >= 0; at = indexOf(memory, DIGITS, at + 1)) {
    const table = tokenTableAround(memory, view, at);
    const names = table && namesBefore(memory, view, table.start);
    const addresses = names && addressesOf(view, table, names);
    if (addresses) return readSymbols(memory, table, names, addresses);
  }
  return [];
}

function indexOf(memory: Uint8Array, wanted: Uint8Array, from: number): number {
  for (let at = memory.indexOf(wanted[0]!, from); at >= 0; at = memory.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, i) => memory[at + i] === byte)) return at;
  }
  return -1;
}

/** The table with the token "0" at `zero`, if the index behind it says the same. */
function tokenTableAround(memory: Uint8Array, view: DataView, zero: number): TokenTable | undefined {
  let start = zero;
  for (let token = '0'.charCodeAt(0); token > 0; token--) {
    start -= 2;
    while (start >= 0 && memory[start] !== 0) start--;
    start++;
    if (start <= 0) return undefined;
  }
  const tokens: string[] = [];
  const offsets: number[] = [];
  let at = start;
  for (let token = 0; token < TOKENS; token++) {
    const end = memory.indexOf(0, at);
    if (end < 0) return undefined;
    offsets.push(at - start);
    tokens.push(String.fromCharCode(...memory.subarray(at, end)));
    at = end + 1;
  }
  const index = aligned(at);
  if (index + 2 * TOKENS > memory.length) return undefined;
  const agrees = offsets.every((offset, token) => view.getUint16(index + 2 * token, true) === offset);
  return agrees ? { start, end: index + 2 * TOKENS, tokens } : undefined;
}

/** From the markers in front of the token table back to the names. */
function namesBefore(memory: Uint8Array, view: DataView, tableStart: number): Names | undefined {
  let at = tableStart - 4;
  if (at >= 0 && view.getUint32(at, true) === 0) at -= 4; // alignment
  const last = at >= 0 ? view.getUint32(at, true) : 0;
  let markers = 1;
  for (; at >= 4 && view.getUint32(at, true) !== 0; at -= 4, markers++) {
    if (view.getUint32(at - 4, true) >= view.getUint32(at, true)) return undefined;
  }
  const second = markers > 1 ? view.getUint32(at + 4, true) : undefined;
  const lowest = (markers - 1) * SYMBOLS_PER_MARKER;
  for (
    let start = at - (at % ALIGNMENT);
    start >= ALIGNMENT && start >= at - last - LAST_NAMES_BYTES;
    start -= ALIGNMENT
  ) {
    const count = view.getUint32(start - ALIGNMENT, true);
    if (count <= lowest || count > lowest + SYMBOLS_PER_MARKER || count > SYMBOLS_LIMIT) continue;
    if (second === undefined || skipNames(memory, start, SYMBOLS_PER_MARKER) === start + second)
      return { count, start };
  }
  return undefined;
}

function skipNames(memory: Uint8Array, start: number, count: number): number {
  let at = start;
  for (let i = 0; i < count; i++) at += lengthAt(memory, at).next - at + lengthAt(memory, at).length;
  return at;
}

function lengthAt(memory: Uint8Array, at: number): { readonly length: number; readonly next: number } {
  const first = memory[at] ?? 0;
  if (first < 0x80) return { length: first, next: at + 1 };
  return { length: (first & 0x7f) | ((memory[at + 1] ?? 0) << 7), next: at + 2 };
}

/** Addresses by number of the symbol, from behind the token table or from in front of the names. */
function addressesOf(
  view: DataView,
  { end }: TokenTable,
  { count, start }: Names,
): ((i: number) => bigint) | undefined {
  const bytes = aligned(4 * count);
  const behind = aligned(end);
  const places = [
    { offsets: behind, base: behind + bytes },
    { offsets: start - ALIGNMENT - ALIGNMENT - bytes, base: start - ALIGNMENT - ALIGNMENT },
  ];
  for (const { offsets, base } of places) {
    if (offsets < 0 || base + 8 > view.byteLength) continue;
    const offset = (i: number) => view.getUint32(offsets + 4 * i, true);
    let rising = view.getBigUint64(base, true) !== 0n;
    for (let i = 1; i < count && rising; i++) rising = offset(i - 1) <= offset(i);
    if (rising) return (i) => BigInt.asUintN(64, view.getBigUint64(base, true) + BigInt(offset(i)));
  }
  return undefined;
}

function readSymbols(
  memory: Uint8Array,
  { tokens }: TokenTable,
  { count, start }: Names,
  address: (i: number) => bigint,
): GuestSymbol[] {
  const symbols: GuestSymbol[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    const { length, next } = lengthAt(memory, at);
    at = next + length;
    let text = '';
    for (let token = next; token < at; token++) text += tokens[memory[token] ?? 0];
    if (isCode(text[0] ?? '')) symbols.push({ address: address(i), name: text.slice(1) });
  }
  return symbols;
}
