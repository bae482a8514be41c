import type { CompiledBatch, RegionBatch, RegionCompiler } from '../../execute/jit/compiler.ts';

/** A compiler that is known only after the engine that uses it was made. What is submitted before waits. */
export class LateCompiler implements RegionCompiler {
  private waiting: RegionBatch[] = [];
  private compiler: RegionCompiler | undefined;

  attach(compiler: RegionCompiler): void {
    this.compiler = compiler;
    for (const batch of this.waiting.splice(0)) compiler.submit(batch);
  }

  submit(batch: RegionBatch): void {
    if (this.compiler) this.compiler.submit(batch);
    else this.waiting.push(batch);
  }

  take(): readonly CompiledBatch[] {
    return this.compiler?.take() ?? [];
  }
}
