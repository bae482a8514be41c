import { GodwitError } from '../common/errors.ts';
import * as L from '../hart/layout.ts';
import type { Arena } from '../memory/arena.ts';
import type { PlainData } from '../state/plain-data.ts';
import { StateReader } from '../state/state-reader.ts';
import type { Hart } from './hart.ts';

/**
 * A hart's state as plain data: its registers, and what its TLBs hold of the guest's translations. The latter belong to it: when a
 * guest notices a change of its page tables depends on them, so a machine that goes on without them would go on differently. Host
 * addresses are left out; they are found again when they are needed.
 */

/** Derived scalars that go with the translations. */
const TRANSLATION_FIELDS = [L.LAST_SATP, L.LAST_SPACE, L.NEXT_SPACE, L.SUPERPAGE_LOW, L.SUPERPAGE_HIGH];
const SPACES_BYTES = 8 * L.SPACE_COUNT;
/** Data and fetch TLB lie one behind the other. */
const ENTRIES = L.DATA_TLB_ENTRIES + L.FETCH_TLB_ENTRIES;
const TLB_BYTES = ENTRIES * L.TLB_ENTRY_BYTES;
/** One saved entry: u32 number of the entry, u32 TLB_PAGE, u32 low and high half of the tag. */
const RECORD_WORDS = 4;
const NOTHING = 0xffff_ffff;
const FIELDS = ['registers', 'spaces', 'translationFields', 'translations'];

/** `waiting`: translations that were not put in yet. */
export function saveHart(arena: Arena, hart: Hart, waiting: WaitingTranslations | undefined): PlainData {
  const { address } = hart;
  return {
    registers: arena.bytes.slice(address, address + L.SAVED_END),
    spaces: arena.bytes.slice(address + L.SPACES, address + L.SPACES + SPACES_BYTES),
    translationFields: TRANSLATION_FIELDS.map((offset) => hart.unsigned(offset)),
    translations: waiting
      ? new Uint8Array(waiting.buffer, waiting.byteOffset, waiting.byteLength)
      : saveTranslations(arena, address),
  };
}

/** Nothing is allocated for each entry: a collection of garbage would be most of a checkpoint's pause. */
const records = new Uint32Array(ENTRIES * RECORD_WORDS);

function saveTranslations({ words }: Arena, hart: number): Uint8Array {
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
  readonly registers: Uint8Array;
  readonly spaces: Uint8Array;
  readonly translationFields: readonly bigint[];
  readonly translations: Uint32Array;
}

/** Translations of a hart that has not run since it was restored: thousands of forks wait without TLBs of their own. */
export type WaitingTranslations = Uint32Array;

function readHartState(data: PlainData): HartState {
  const reader = new StateReader('the hart', data, FIELDS);
  const registers = reader.bytes('registers', L.SAVED_END);
  const spaces = reader.bytes('spaces', SPACES_BYTES);
  const bytes = reader.raw('translations');
  if (!(bytes instanceof Uint8Array))
    throw new GodwitError('damaged', 'The saved state of the hart has no translations.');
  reader.require(bytes.length <= ENTRIES * RECORD_WORDS * 4, 'it has more translations than there is room for');
  reader.require(registers.length === L.SAVED_END, 'it has other registers');
  reader.require(spaces.length === SPACES_BYTES, 'it has other address spaces');
  reader.require(bytes.length % (RECORD_WORDS * 4) === 0, 'its translations are cut off');
  const translations = wordsOf(bytes);
  for (let at = 0; at < translations.length; at += RECORD_WORDS) {
    reader.require(translations[at]! < ENTRIES, 'it has a translation of a place that does not exist');
  }
  const translationFields = reader.list('translationFields', TRANSLATION_FIELDS.length, TRANSLATION_FIELDS.length);
  const fields = translationFields.map((value) => {
    reader.require(typeof value === 'bigint' && value >= 0n && value < 1n << 64n, 'a field is not a 64-bit number');
    return value as bigint;
  });
  reader.require(fields[TRANSLATION_FIELDS.indexOf(L.LAST_SPACE)]! < L.SPACE_COUNT, 'its address space does not exist');
  reader.require(fields[TRANSLATION_FIELDS.indexOf(L.NEXT_SPACE)]! < L.SPACE_COUNT, 'its address space does not exist');
  const view = new DataView(registers.buffer, registers.byteOffset);
  reader.require(view.getBigUint64(L.X_REGISTERS, true) === 0n, 'x0 is not zero');
  reader.require([0n, 1n, 3n].includes(view.getBigUint64(L.PRIVILEGE, true)), 'there is no such privilege mode');
  // Translated code compares branch counts by their difference.
  reader.require(view.getBigUint64(L.BRANCHES, true) < 1n << 62n, 'its branch count is not one of any machine');
  return { registers, spaces, translationFields: fields, translations };
}

/** Without a copy where that is possible: all forks of a snapshot share it until they run. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}

/**
 * Throws GodwitError('damaged') before it changes anything. What is derived from the state is to be made anew afterwards, and the
 * translations, which it returns, are to be put in before the hart runs.
 */
export function restoreHart(arena: Arena, hart: Hart, data: PlainData): WaitingTranslations {
  const state = readHartState(data);
  const { address } = hart;
  arena.bytes.set(state.registers, address);
  arena.bytes.set(state.spaces, address + L.SPACES);
  TRANSLATION_FIELDS.forEach((offset, i) => {
    hart.put(offset, BigInt.asIntN(64, state.translationFields[i]!));
  });
  return state.translations;
}

/** Fills the TLBs with the guest halves of translations, and nothing else. */
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
  const { translations } = readHartState(data);
  const pages = new Set<number>();
  for (let at = 0; at < translations.length; at += RECORD_WORDS) pages.add(translations[at + 1]! >>> 2);
  return [...pages];
}
