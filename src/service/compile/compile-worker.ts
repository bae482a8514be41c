/** The thread that compiles regions for all machines of a process. Its owner sends it the port of each. */
import { type CompiledBatch, compileCode, type RegionBatch } from '../../execute/jit/compiler.ts';
import { generateRegions } from '../../execute/jit/generate.ts';
import { platform } from '../../platform/platform.ts';
import type { Port, RemotePort, ThreadStart } from '../../platform/threads.ts';
import type { FromCompiler, ToCompiler } from './protocol.ts';
import { runOnce } from './run-once.ts';

/**
 * What is kept for machines to come: WebAssembly as it was generated, since what V8 makes of it is several times as
 * much. The first that was made, which is what other machines will need first: the kernel's.
 */
const KEPT_BYTES = 6 * 1024 ** 2;

interface Kept {
  readonly batch: Omit<RegionBatch, 'id'>;
  readonly lengthBytes: number;
  /** Compressed: a fifth of it. */
  readonly deflated: Uint8Array;
}

/**
 * After so much WebAssembly the collector runs: what machines have given up stays as long as this thread's objects for
 * it do, and its own heap grows too slowly for V8 to look at them.
 */
const COLLECTED_BYTES = 3 * 1024 ** 2;
let uncollectedBytes = 0;

const machines = new Set<Port>();
const kept: Kept[] = [];
let keptBytes = 0;

function tell(port: Port, message: FromCompiler): void {
  port.post(message);
}

function keep(batch: Kept['batch'], code: Uint8Array): void {
  if (keptBytes + code.length > KEPT_BYTES) return;
  // A copy, since what a codec gives may be the start of a larger buffer.
  kept.push({ batch, lengthBytes: code.length, deflated: new Uint8Array(platform().codec.deflate(code)) });
  keptBytes += code.length;
}

function compile(port: Port, batch: ToCompiler): void {
  const { plans, options } = batch;
  const { clock, collectGarbage } = platform();
  let code: Uint8Array<ArrayBuffer>;
  let compiled: CompiledBatch;
  const start = clock.nowMs();
  try {
    code = generateRegions(plans, options);
    compiled = compileCode(batch, code, () => clock.nowMs() - start);
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

function welcome(port: Port): void {
  for (const { batch, lengthBytes, deflated } of kept) {
    const code = new Uint8Array(platform().codec.inflate(deflated, lengthBytes));
    tell(port, { kind: 'compiled', batch: compileCode({ ...batch, id: undefined }, code, () => 0) });
  }
}

function connect(port: Port): void {
  welcome(port);
  machines.add(port);
  port.onMessage((batch) => compile(port, batch as ToCompiler));
  port.onClose(() => machines.delete(port));
}

export function serve({ parent }: ThreadStart): void {
  parent.onMessage((port) => connect(platform().threads.port(port as RemotePort)));
}
