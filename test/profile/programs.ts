import { assemble } from '../jit/assembly.ts';
import type { TestSymbol } from './elf.ts';

/** Spends nine tenths of its instructions in `hot`, which has no loop, and the rest in `cold` and between. */
const SOURCE = `
start:    lui s0,0x80
loop:     addi t0,zero,9
again:    jal ra,hot
          addi t0,t0,-1
          bne t0,zero,again
          jal ra,cold
          addi s0,s0,-1
          bne s0,zero,loop
          lui t0,0x100
          lui t1,0x5
          addi t1,t1,1365
          sw t1,0(t0)
end:      jal zero,end
cold:     add a0,a0,s0
          xor a0,a0,t0
          jalr zero,0(ra)
hot:      ${Array.from({ length: 40 }, (_, i) => `addi a${i % 6},a${(i + 1) % 6},${i}`).join('\n')}
          jalr zero,0(ra)
`;

/** The program at an address, with the names of its functions. */
export function hotAndCold(address: bigint): { readonly code: Uint8Array; readonly symbols: readonly TestSymbol[] } {
  const { bytes, labels } = assemble(SOURCE);
  const names = ['start', 'cold', 'hot'] as const;
  const offsets = [...names.map((name) => labels.get(name)!), bytes.length];
  const symbols = names.map((name, i) => ({
    name,
    address: address + BigInt(offsets[i]!),
    bytes: offsets[i + 1]! - offsets[i]!,
  }));
  return { code: bytes, symbols };
}
