/**
 * Between machines and the thread that compiles regions for all of them. Each machine has a port of its own.
 *
 *     machine                         compiling thread
 *       | <-- compiled (id missing) ---  |   what other machines had compiled, so far and from now on
 *       | -- batch { id } ------------>  |
 *       | <-- compiled or failed { id }  |   in the order of the batches
 *
 * When the port closes the machine compiles for itself.
 */
import type { CompiledBatch, RegionBatch } from '../../execute/jit/compiler.ts';

export type ToCompiler = RegionBatch;

export type FromCompiler =
  | { readonly kind: 'compiled'; readonly batch: CompiledBatch }
  | { readonly kind: 'failed'; readonly id: number };
