import { Cause } from '../../src/hart/constants.ts';
import * as I from './image.ts';
import { PMP_ADDRESSES, PMPCFG0, pmpAllowsWrite } from './protection.ts';
import type { SystemResult } from './system-batch.ts';
import * as S from './system-runner.ts';
import { PTE } from './tables.ts';
import { STORED_SLOT, type WalkCase } from './walk.ts';

/** Differences from QEMU 7.2 in walks of page tables, each with the section that decides. */

const PAGE_FAULT = { fetch: Cause.fetchPageFault, load: Cause.loadPageFault, store: Cause.storePageFault } as const;
const ACCESS_FAULT = { fetch: Cause.fetchAccess, load: Cause.loadAccess, store: Cause.storeAccess } as const;
const AS_LOAD: readonly bigint[] = [Cause.loadAccess, Cause.loadPageFault].map(BigInt);
const AS_STORE: readonly bigint[] = [Cause.storeAccess, Cause.storePageFault].map(BigInt);
const FS_AND_SD = (3n << 13n) | (1n << 63n);

/** Words of the slots that hold page-table entries. */
function entryWords({ layout }: Pick<SystemResult, 'layout'>): number[] {
  return Array.from({ length: STORED_SLOT }, (_, slot) => layout.slotValue(slot));
}

/** Those that QEMU changed. */
function updatedEntries(result: SystemResult): number[] {
  return entryWords(result).filter((word) => result.theirs[word] !== result.input[word]);
}

/** Where a fault of the page that `slot` maps is: at the address itself, or at the first byte of the next page. */
function faultAddress(address: bigint, onlyNext: boolean): bigint {
  return onlyNext ? (address | 4095n) + 1n : address;
}

/**
 * Entries of page tables that QEMU changed and that stay as they are, with a fault. 12.3.1, Svade (menvcfg.ADUE clear):
 * all of them. Svadu: those that the PMP does not let the walk write (12.3.2 step 9), which QEMU does not ask.
 */
function refusedUpdates(result: SystemResult, { updates }: WalkCase): number[] {
  const updated = updatedEntries(result);
  return updates ? updated.filter((word) => !mayWrite(result, word)) : updated;
}

function mayWrite({ input, layout }: SystemResult, entryWord: number): boolean {
  const slot = entryWords({ layout }).indexOf(entryWord);
  const entries = PMP_ADDRESSES.map((csr, i) => {
    return {
      config: Number((input[layout.csrIn(PMPCFG0)]! >> BigInt(8 * i)) & 0xffn),
      address: input[layout.csrIn(csr)]!,
    };
  });
  return pmpAllowsWrite(entries, input[layout.slotAddress(slot)]!, 8n);
}

function isRefusedUpdate(word: number, result: SystemResult, walk: WalkCase): boolean {
  const { access, address, pc } = walk;
  const refused = refusedUpdates(result, walk);
  if (refused.length === 0) return false;
  const { input, ours, layout } = result;
  const onlyNext = refused.every((slot) => slot === layout.slotValue(4));
  if (updatedEntries(result).includes(word) || word === layout.slotValue(STORED_SLOT))
    return ours[word] === input[word];
  switch (word) {
    case S.S_PC:
      return ours[word] === pc;
    case S.S_CAUSE:
      return ours[word] === BigInt((walk.updates ? ACCESS_FAULT : PAGE_FAULT)[access.kind]);
    case S.S_TVAL:
      return ours[word] === faultAddress(address, onlyNext);
    case S.S_X5 + 3:
      return ours[word] === input[word];
    default:
      return false;
  }
}

/**
 * Table 14: an AMO is a store, which QEMU with one hart does as a load before it. So what it changes in entries when
 * the AMO faults is a load's business.
 */
function isUpdateOfAmo(word: number, result: SystemResult, { updates, access }: WalkCase): boolean {
  const { input, ours, theirs } = result;
  if (!updates || !access.atomic || access.kind !== 'store' || !entryWords(result).includes(word)) return false;
  if (((ours[word]! ^ theirs[word]!) & ~(PTE.A | PTE.D)) !== 0n) return false;
  const set = ours[S.S_CAUSE] === BigInt(ACCESS_FAULT.store) ? PTE.A | PTE.D : 0n;
  return AS_STORE.includes(ours[S.S_CAUSE]!) && (ours[word] === input[word] || ours[word] === (input[word]! | set));
}

/** True when a pointer of the walk leads out of RAM. */
function leavesRam(result: SystemResult): boolean {
  return entryWords(result).some((word) => {
    const entry = result.input[word]!;
    const at = (entry >> 10n) << 12n;
    const isPointer = (entry & (PTE.V | PTE.R | PTE.W | PTE.X)) === PTE.V;
    return isPointer && (at < BigInt(I.RAM) || at >= BigInt(I.RAM_END));
  });
}

export function walkAllows(word: number, result: SystemResult, walk: WalkCase): boolean {
  const { ours, theirs } = result;
  const { kind, atomic } = walk.access;
  const cause = ours[S.S_CAUSE]!;
  if (isRefusedUpdate(word, result, walk) || isUpdateOfAmo(word, result, walk)) return true;
  // 12.3.2 step 2: a table where nothing is, is an access fault; QEMU makes it a page fault.
  if (word === S.S_CAUSE && cause === BigInt(ACCESS_FAULT[kind]) && theirs[word] === BigInt(PAGE_FAULT[kind]))
    return leavesRam(result);
  // Table 14: AMOs raise store causes; QEMU with one hart does them as a load and a store.
  if (word === S.S_CAUSE && atomic && kind === 'store' && AS_LOAD.includes(theirs[word]!))
    return AS_STORE.includes(cause);
  // 3.1.16: QEMU makes misaligned accesses in parts and reports the aligned address of one.
  if (word === S.S_TVAL && kind !== 'fetch' && ours[word]! - theirs[word]! < 8n && ours[word]! > theirs[word]!)
    return (ours[word]! & 7n) !== 0n;
  // 3.1.6.6: FS may turn dirty early.
  return word === S.S_STATUS && (ours[word]! & ~FS_AND_SD) === (theirs[word]! & ~FS_AND_SD);
}
