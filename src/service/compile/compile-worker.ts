/** The thread that compiles regions for all machines of a process. Its owner sends it the port of each. */
import '../../platform/node/install.ts';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { type CompiledBatch, compileCode, type RegionBatch } from '../../execute/jit/compiler.ts';
import { generateRegions } from '../../execute/jit/generate.ts';
import { collectGarbage } from '../../platform/node/garbage.ts';
import type { FromCompiler, ToCompiler } from './protocol.ts';
import { runOnce } from './run-once.ts';

/**
 * What is kept for machines to come: WebAssembly as it was generated, since what V8 makes of it is several times as much. The first that
 * was made, which is what other machines will need first: the kernel's.
 */
const KEPT_BYTES = 6 * 1024 ** 2;
const FASTEST = 1;

interface Kept {
  readonly batch: Omit<RegionBatch, 'id'>;
  /** Compressed: a fifth of it. */
  readonly deflated: Uint8Array;
}

/**
 * After so much WebAssembly the collector runs: what machines have given up stays as long as this thread's objects for it do, and its own
 * heap grows too slowly for V8 to look at them.
 */
const COLLECTED_BYTES = 3 * 1024 ** 2;
let uncollectedBytes = 0;

const machines = new Set<MessagePort>();
const kept: Kept[] = [];
let keptBytes = 0;

function tell(port: MessagePort, message: FromCompiler): void {
  port.postMessage(message);
}

function keep(batch: Kept['batch'], code: Uint8Array): void {
  if (keptBytes + code.length > KEPT_BYTES) return;
  // A copy, since what comes from zlib is the start of a larger buffer.
  kept.push({ batch, deflated: new Uint8Array(deflateRawSync(code, { level: FASTEST })) });
  keptBytes += code.length;
}

function serve(port: MessagePort, batch: ToCompiler): void {
  const { plans, options } = batch;
  let code: Uint8Array<ArrayBuffer>;
  let compiled: CompiledBatch;
  const start = performance.now();
  try {
    code = generateRegions(plans, options);
    compiled = compileCode(batch, code, () => performance.now() - start);
    runOnce(compiled);
  } catch {
    // The machine compiles it itself, and says what is wrong.
    tell(port, { kind: 'failed', id: batch.id });
    return;
  }
  tell(port, { kind: 'compiled', batch: compiled });
  keep({ plans, options }, code);
  const shared = { ...compiled, id: undefined };
  for (const other of machines) if (other !== port) tell(other, { kind: 'compiled', batch: shared });
  uncollectedBytes += compiled.bytes;
  if (uncollectedBytes < COLLECTED_BYTES) return;
  uncollectedBytes = 0;
  collectGarbage();
}

function welcome(port: MessagePort): void {
  for (const { batch, deflated } of kept) {
    const code = new Uint8Array(inflateRawSync(deflated));
    tell(port, { kind: 'compiled', batch: compileCode({ ...batch, id: undefined }, code, () => 0) });
  }
}

parentPort!.on('message', (port: MessagePort) => {
  welcome(port);
  machines.add(port);
  port.on('message', (batch: ToCompiler) => serve(port, batch));
  port.on('close', () => machines.delete(port));
});
