/** A name for addresses from `address` on. */
export interface GuestSymbol {
  readonly address: bigint;
  readonly name: string;
  /** 0: up to the next symbol. */
  readonly bytes?: bigint;
}

/** A symbol covers no more than this when its size is not known. */
const REACH_BYTES = 1n << 20n;

/** Names by address. Of symbols at one address the first counts. */
export class SymbolTable {
  private readonly symbols: readonly GuestSymbol[];

  constructor(symbols: readonly GuestSymbol[]) {
    const sorted = symbols.map((symbol, order) => ({ symbol, order }));
    sorted.sort((a, b) => compare(a.symbol.address, b.symbol.address) || a.order - b.order);
    this.symbols = sorted
      .map(({ symbol }) => symbol)
      .filter(({ address }, i, all) => i === 0 || all[i - 1]!.address !== address);
  }

  get size(): number {
    return this.symbols.length;
  }

  /** The symbol that an address lies in. */
  find(address: bigint): GuestSymbol | undefined {
    let [low, high] = [0, this.symbols.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.symbols[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.symbols[low - 1];
    if (!found) return undefined;
    const reach = found.bytes === undefined || found.bytes === 0n ? REACH_BYTES : found.bytes;
    return address - found.address < reach ? found : undefined;
  }
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
