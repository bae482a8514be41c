import * as L from '../hart/layout.ts';
import { SAVED_REGISTERS, SAVED_REGISTERS_START } from '../hart/saved-registers.ts';
import type { Arena } from '../memory/arena.ts';
import { madeByNewer } from '../state/format-errors.ts';
import type { PlainData } from '../state/plain-data.ts';
import { isOptional, StateReader } from '../state/state-reader.ts';
import type { Hart } from './hart.ts';

/**
 * A hart's state as plain data: its registers by their names, and what its TLBs hold of the guest's translations. The
 * latter belong to it: when a guest notices a change of its page tables depends on them, so a machine that goes on
 * without them would go on differently. Host addresses are left out; they are found again when they are needed.
 */
const VERSION = 1;
const FIELDS = ['registers', 'translations'];
const REGISTERS_FIELDS = ['names', 'values'];

const NAMES = SAVED_REGISTERS.map(({ name }) => name).join(' ');
const INDICES: ReadonlyMap<string, number> = new Map(SAVED_REGISTERS.map(({ name }, index) => [name, index]));
const VALUES_BYTES = 8 * SAVED_REGISTERS.length;
/** A state with more is none of a hart. */
const MAXIMUM_NAMES = 4096;

/** What of a hart's translations is one number, by its name in the state. They go with the entries. */
const TRANSLATIONS_VERSION = 1;
const TRANSLATION_NUMBERS = {
  lastSatp: L.LAST_SATP,
  lastSpace: L.LAST_SPACE,
  nextSpace: L.NEXT_SPACE,
  superpageLow: L.SUPERPAGE_LOW,
  superpageHigh: L.SUPERPAGE_HIGH,
} as const;
type TranslationNumber = keyof typeof TRANSLATION_NUMBERS;
const NUMBER_NAMES = Object.keys(TRANSLATION_NUMBERS) as TranslationNumber[];
const TRANSLATIONS_FIELDS = [...NUMBER_NAMES, 'spaces', 'entries'];
const SPACES_BYTES = 8 * L.SPACE_COUNT;
/** Data and fetch TLB lie one behind the other. */
const ENTRIES = L.DATA_TLB_ENTRIES + L.FETCH_TLB_ENTRIES;
const TLB_BYTES = ENTRIES * L.TLB_ENTRY_BYTES;
/**
 * One saved entry: u32 number of the entry (those of the fetch TLB after those for data), u32 TLB_PAGE, u32 low and
 * high half of the tag.
 */
const RECORD_WORDS = 4;
const NOTHING = 0xffff_ffff;

export function saveHart(arena: Arena, hart: Hart): PlainData {
  const start = hart.address + SAVED_REGISTERS_START;
  return {
    version: VERSION,
    registers: { names: NAMES, values: arena.bytes.slice(start, start + VALUES_BYTES) },
    translations: saveTranslations(arena, hart),
  };
}

function saveTranslations(arena: Arena, hart: Hart): PlainData {
  const spaces = hart.address + L.SPACES;
  const { waitingTranslations: waiting } = hart;
  return {
    version: TRANSLATIONS_VERSION,
    lastSatp: hart.unsigned(L.LAST_SATP),
    lastSpace: hart.unsigned(L.LAST_SPACE),
    nextSpace: hart.unsigned(L.NEXT_SPACE),
    superpageLow: hart.unsigned(L.SUPERPAGE_LOW),
    superpageHigh: hart.unsigned(L.SUPERPAGE_HIGH),
    spaces: arena.bytes.slice(spaces, spaces + SPACES_BYTES),
    entries: waiting
      ? new Uint8Array(waiting.buffer, waiting.byteOffset, waiting.byteLength)
      : saveEntries(arena, hart.address),
  };
}

/** Nothing is allocated for each entry: a collection of garbage would be most of a checkpoint's pause. */
const records = new Uint32Array(ENTRIES * RECORD_WORDS);

function saveEntries({ words }: Arena, hart: number): Uint8Array {
  let end = 0;
  for (let i = 0; i < ENTRIES; i++) {
    const entry = (hart + L.DATA_TLB + i * L.TLB_ENTRY_BYTES) >>> 2;
    const low = words[entry + L.TLB_TAG / 4]!;
    const high = words[entry + L.TLB_TAG / 4 + 1]!;
    if (low === NOTHING && high === NOTHING) continue;
    records[end] = i;
    records[end + 1] = words[entry + L.TLB_PAGE / 4]!;
    records[end + 2] = low;
    records[end + 3] = high;
    end += RECORD_WORDS;
  }
  return new Uint8Array(records.buffer, 0, end * 4).slice();
}

/** What is put into a hart, checked. */
interface HartState {
  /** In the order of SAVED_REGISTERS. */
  readonly registers: Uint8Array;
  readonly translations: Translations;
}

interface Translations {
  readonly numbers: Readonly<Record<TranslationNumber, bigint>>;
  readonly spaces: Uint8Array;
  readonly entries: WaitingTranslations;
}

/** Translations of a hart that has not run since it was restored: thousands of forks wait without TLBs of their own. */
export type WaitingTranslations = Uint32Array;

function readHartState(what: string, data: PlainData): HartState {
  const reader = StateReader.part(what, data, VERSION, FIELDS);
  const registers = readRegisters(what, reader.raw('registers'));
  const view = new DataView(registers.buffer, registers.byteOffset);
  const registerValue = (name: string) => view.getBigUint64(8 * INDICES.get(name)!, true);
  reader.require([0n, 1n, 3n].includes(registerValue('privilege')), 'there is no such privilege mode');
  // Translated code compares branch counts by their difference.
  reader.require(registerValue('branches') < 1n << 62n, 'its branch count is not one of any machine');
  return { registers, translations: readTranslations(`the translations of ${what}`, reader.raw('translations')) };
}

/** In the order of SAVED_REGISTERS, whatever the order in the state. */
function readRegisters(what: string, data: PlainData): Uint8Array {
  const reader = new StateReader(`the registers of ${what}`, data, REGISTERS_FIELDS);
  const values = reader.bytes('values', 8 * MAXIMUM_NAMES);
  const text = reader.text('names');
  if (text === NAMES) {
    reader.require(values.length === VALUES_BYTES, 'it has not as many values as names');
    return values;
  }
  const names = text.split(' ');
  reader.require(values.length === 8 * names.length, 'it has not as many values as names');
  const registers = new Uint8Array(VALUES_BYTES);
  const found = new Set<string>();
  for (const [index, name] of names.entries()) {
    reader.require(!found.has(name), `the register "${name}" is there twice`);
    found.add(name);
    const place = INDICES.get(name);
    if (place !== undefined) registers.set(values.subarray(8 * index, 8 * index + 8), 8 * place);
    else if (!isOptional(name)) {
      throw madeByNewer(`The state of ${what}`, `it has the register "${name}", which this one does not know`);
    }
  }
  for (const name of INDICES.keys()) reader.require(found.has(name), `the register "${name}" is missing`);
  return registers;
}

function readTranslations(what: string, data: PlainData): Translations {
  const reader = StateReader.part(what, data, TRANSLATIONS_VERSION, TRANSLATIONS_FIELDS);
  const spaces = reader.bytes('spaces', SPACES_BYTES);
  const bytes = reader.raw('entries');
  reader.require(bytes instanceof Uint8Array, 'the field "entries" is not a byte array');
  const entries = wordsOf(bytes as Uint8Array);
  reader.require(entries.length <= ENTRIES * RECORD_WORDS, 'it has more translations than there is room for');
  reader.require((bytes as Uint8Array).length % (RECORD_WORDS * 4) === 0, 'its translations are cut off');
  reader.require(spaces.length === SPACES_BYTES, 'it has other address spaces');
  for (let at = 0; at < entries.length; at += RECORD_WORDS) {
    reader.require(entries[at]! < ENTRIES, 'it has a translation of a place that does not exist');
  }
  const numbers = {
    lastSatp: reader.u64('lastSatp'),
    lastSpace: reader.u64('lastSpace'),
    nextSpace: reader.u64('nextSpace'),
    superpageLow: reader.u64('superpageLow'),
    superpageHigh: reader.u64('superpageHigh'),
  };
  reader.require(numbers.lastSpace < L.SPACE_COUNT, 'its address space does not exist');
  reader.require(numbers.nextSpace < L.SPACE_COUNT, 'its address space does not exist');
  return { numbers, spaces, entries };
}

/** Without a copy where that is possible: all forks of a snapshot share it until they run. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, Math.floor(aligned.length / 4));
}

/**
 * Throws GodwitError 'damaged' or 'unsupported' before it changes anything. What is derived from the state is to be
 * made anew afterwards, and the translations, which wait in the hart, are to be put in before it runs.
 */
export function restoreHart(arena: Arena, hart: Hart, data: PlainData): void {
  const { registers, translations } = readHartState(`hart ${hart.index}`, data);
  const { address } = hart;
  arena.bytes.set(registers, address + SAVED_REGISTERS_START);
  arena.bytes.set(translations.spaces, address + L.SPACES);
  for (const name of NUMBER_NAMES) hart.put(TRANSLATION_NUMBERS[name], BigInt.asIntN(64, translations.numbers[name]));
  hart.waitingTranslations = translations.entries;
}

/** Fills the TLBs with the guest halves of the translations that wait, and nothing else. */
export function restoreTranslations({ bytes, words }: Arena, hart: Hart, translations: WaitingTranslations): void {
  const { address } = hart;
  bytes.fill(0xff, address + L.DATA_TLB, address + L.DATA_TLB + TLB_BYTES);
  for (let at = 0; at < translations.length; at += RECORD_WORDS) {
    const entry = (address + L.DATA_TLB + translations[at]! * L.TLB_ENTRY_BYTES) >>> 2;
    words[entry + L.TLB_PAGE / 4] = translations[at + 1]!;
    words[entry + L.TLB_TAG / 4] = translations[at + 2]!;
    words[entry + L.TLB_TAG / 4 + 1] = translations[at + 3]!;
  }
}

/** Physical pages (numbers) that a saved hart had translations of, each once. */
export function translatedPages(data: PlainData): number[] {
  const { entries } = readHartState('a hart', data).translations;
  const pages = new Set<number>();
  for (let at = 0; at < entries.length; at += RECORD_WORDS) pages.add(entries[at + 1]! >>> 2);
  return [...pages];
}
