import { generateRegions } from './generate.ts';
import type { CodeOptions } from './options.ts';
import type { RegionPlan } from './plan.ts';

/** Regions that become one module. */
export interface RegionBatch {
  /** Given by who submits it. */
  readonly id: number;
  readonly plans: readonly RegionPlan[];
  readonly options: CodeOptions;
}

export interface CompiledBatch {
  /** Undefined: another machine asked for it. */
  readonly id: number | undefined;
  readonly plans: readonly RegionPlan[];
  readonly options: CodeOptions;
  /** Exports the regions under their places in `plans`. */
  readonly module: WebAssembly.Module;
  readonly bytes: number;
  /** How long it took to generate and compile it, by the compiler's clock. */
  readonly milliseconds: number;
}

/**
 * Makes modules of regions, at once or some time later in another thread. When they come never changes what a guest
 * sees. Every batch comes back, even if the other thread is lost.
 */
export interface RegionCompiler {
  submit(batch: RegionBatch): void;
  /** What is finished, each batch once. Called often. */
  take(): readonly CompiledBatch[];
}

/** Compiles when asked, in this thread. */
export class DirectCompiler implements RegionCompiler {
  private finished: CompiledBatch[] = [];
  private readonly nowMs: () => number;

  /** Without a clock nothing takes any time. */
  constructor(nowMs: () => number = () => 0) {
    this.nowMs = nowMs;
  }

  submit(batch: RegionBatch): void {
    this.finished.push(compileBatch(batch, this.nowMs));
  }

  take(): readonly CompiledBatch[] {
    const { finished } = this;
    if (finished.length > 0) this.finished = [];
    return finished;
  }
}

export function compileBatch(batch: RegionBatch, nowMs: () => number): CompiledBatch {
  const start = nowMs();
  const code = generateRegions(batch.plans, batch.options);
  return compileCode(batch, code, () => nowMs() - start);
}

/** What was generated before becomes a module again. */
export function compileCode(
  { id, plans, options }: Pick<CompiledBatch, 'id' | 'plans' | 'options'>,
  code: Uint8Array<ArrayBuffer>,
  passedMs: () => number,
): CompiledBatch {
  const module = new WebAssembly.Module(code);
  return { id, plans, options, module, bytes: code.length, milliseconds: passedMs() };
}
