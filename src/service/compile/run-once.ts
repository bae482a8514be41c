import type { CompiledBatch } from '../../execute/jit/compiler.ts';
import * as L from '../../hart/layout.ts';

const PAGE_BYTES = 65536;
const PAGES = Math.ceil(L.HART_BYTES / PAGE_BYTES) + 1;
const TLB_BYTES = L.HART_BYTES - L.DATA_TLB;

/**
 * A hart at address 0 with empty TLBs that is due to stop at the first counted transfer: no region gets far, or writes
 * anywhere else.
 */
function idleHart(shared: boolean): WebAssembly.Memory {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared });
  new Uint8Array(memory.buffer).fill(0xff, L.DATA_TLB, L.DATA_TLB + TLB_BYTES);
  return memory;
}

const harts = new Map<boolean, WebAssembly.Memory>();

/**
 * Runs each function of a module once. Engines compile functions when they are called first, and share what they
 * compiled between the threads that have the module; so this takes it from the machine's thread.
 */
export function runOnce({ module, plans, options: { shared } }: CompiledBatch): void {
  const memory = harts.get(shared) ?? idleHart(shared);
  harts.set(shared, memory);
  const functions = new WebAssembly.Instance(module, { env: { memory, region: () => 0 } }).exports;
  const region = (i: number) => functions[`${i}`] as (hart: number, page: bigint, decodedPage: number) => number;
  for (let i = 0; i < plans.length; i++) region(i)(0, 0n, 0);
}
