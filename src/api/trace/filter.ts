import { GodwitError } from '../../common/errors.ts';

/** Plain data: which instructions a trace shows. Empty lists pick nothing out. */
export interface TraceFilter {
  /** Of virtual addresses; `end` is the last one. */
  readonly ranges: readonly { readonly start: bigint; readonly end: bigint }[];
  /** Sources of regular expressions over whole mnemonics. */
  readonly mnemonics: readonly string[];
}

const RANGE = /^(?:0x)?([0-9a-f]+)-(?:0x)?([0-9a-f]+)$/i;
const ADDRESS = /^0x([0-9a-f]+)$/i;
const MNEMONIC = /^[a-z][a-z0-9.*?]*$/i;

/**
 * Reads a filter: items with commas between. "0x80200000-0x80200fff" and "0x80200010" are virtual addresses, "sret" or
 * "c.*" mnemonics, in which * and ? stand for letters. An instruction is shown when it is at one of the addresses (if
 * there are any) and has one of the mnemonics (if there are any). Throws GodwitError('usage').
 */
export function parseTraceFilter(text: string): TraceFilter {
  const ranges: { start: bigint; end: bigint }[] = [];
  const mnemonics: string[] = [];
  for (const item of text.split(',').map((part) => part.trim())) {
    if (item === '') continue;
    const range = RANGE.exec(item);
    const address = ADDRESS.exec(item);
    if (range) ranges.push({ start: BigInt(`0x${range[1]}`), end: BigInt(`0x${range[2]}`) });
    else if (address) ranges.push({ start: BigInt(item), end: BigInt(item) });
    else if (MNEMONIC.test(item)) mnemonics.push(globSource(item));
    else throw badItem(item);
  }
  const reversed = ranges.find(({ start, end }) => start > end || end >= 1n << 64n);
  if (reversed) throw badItem(`0x${reversed.start.toString(16)}-0x${reversed.end.toString(16)}`);
  return { ranges, mnemonics };
}

function globSource(glob: string): string {
  return glob.toLowerCase().replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.');
}

function badItem(item: string): GodwitError {
  return new GodwitError('usage', `A trace cannot be filtered by "${item}".`, {
    hint: 'Write addresses such as 0x80200000-0x80200fff, and mnemonics such as sret or csr*.',
  });
}

export interface TraceMatcher {
  address(pc: bigint): boolean;
  /** `text` is an instruction as the disassembler writes it. */
  text(text: string): boolean;
}

export function traceMatcher({ ranges, mnemonics }: TraceFilter): TraceMatcher {
  const pattern = mnemonics.length === 0 ? undefined : new RegExp(`^(?:${mnemonics.join('|')})(?: |$)`);
  return {
    address: (pc) => ranges.length === 0 || ranges.some(({ start, end }) => pc >= start && pc <= end),
    text: (text) => pattern === undefined || pattern.test(text),
  };
}
