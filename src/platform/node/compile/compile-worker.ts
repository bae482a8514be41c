/** The thread that compiles regions for all machines of a process. Its owner sends it the port of each. */
import { type MessagePort, parentPort } from 'node:worker_threads';
import { type CompiledBatch, compileBatch } from '../../../execute/jit/compiler.ts';
import type { FromCompiler, ToCompiler } from './protocol.ts';
import { runOnce } from './run-once.ts';

/** What is kept for machines to come: WebAssembly before it was compiled. */
const KEPT_BYTES = 8 * 1024 ** 2;

const machines = new Set<MessagePort>();
const kept: CompiledBatch[] = [];
let keptBytes = 0;

function tell(port: MessagePort, message: FromCompiler): void {
  port.postMessage(message);
}

function keep(batch: CompiledBatch): void {
  kept.push(batch);
  keptBytes += batch.bytes;
  while (keptBytes > KEPT_BYTES) keptBytes -= kept.shift()!.bytes;
}

function serve(port: MessagePort, batch: ToCompiler): void {
  let compiled: CompiledBatch;
  try {
    compiled = compileBatch(batch, () => performance.now());
    runOnce(compiled);
  } catch {
    // The machine compiles it itself, and says what is wrong.
    tell(port, { kind: 'failed', id: batch.id });
    return;
  }
  tell(port, { kind: 'compiled', batch: compiled });
  const shared = { ...compiled, id: undefined };
  keep(shared);
  for (const other of machines) if (other !== port) tell(other, { kind: 'compiled', batch: shared });
}

parentPort!.on('message', (port: MessagePort) => {
  for (const batch of kept) tell(port, { kind: 'compiled', batch });
  machines.add(port);
  port.on('message', (batch: ToCompiler) => serve(port, batch));
  port.on('close', () => machines.delete(port));
});
