import type { GuestSymbol } from './symbol-table.ts';

/**
 * Lines of a System.map, or of `nm`: "ffffffff80001234 T name". Data symbols are left out; lines of another form, too.
 */
export function readSystemMap(text: string): GuestSymbol[] {
  const symbols: GuestSymbol[] = [];
  for (const line of text.split('\n')) {
    const [, address, kind, name] = /^([0-9a-f]{1,16}) ([a-zA-Z]) (\S+)/.exec(line) ?? [];
    if (address !== undefined && isCode(kind!)) symbols.push({ address: BigInt(`0x${address}`), name: name! });
  }
  return symbols;
}

/** Text symbols, also weak ones. */
export function isCode(kind: string): boolean {
  return 'tTwW'.includes(kind);
}
