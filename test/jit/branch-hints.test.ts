import { describe, expect, it } from 'vitest';
import { FunctionBuilder, i32, ModuleBuilder } from '../../src/execute/wasm/index.ts';

const IF = 0x04;
const BRANCH_IF = 0x0d;

function write(f: FunctionBuilder): void {
  const [a, b] = [f.parameter(0, 'i32'), f.local('i64')];
  f.block((end) => {
    f.if(a.get, () => f.set(b, b.get.add(1)), undefined, 'likely');
    f.if(a.get.eqz(), () => f.set(b, b.get.add(2)));
    f.branchIf(end, a.get.eq(7), 'unlikely');
  });
  f.result(i32(1));
}

describe('branch hints', () => {
  it('stand where the branches are, and only for those that have one', () => {
    const f = new FunctionBuilder(['i32']);
    write(f);
    const { code, hints } = f.finish();
    const bytes = code.finish();
    expect(hints.map(({ offset, likelihood }) => [bytes[offset], likelihood])).toEqual([
      [IF, 'likely'],
      [BRANCH_IF, 'unlikely'],
    ]);
  });

  it('are a section of their own, in a module that is valid', () => {
    const module = new ModuleBuilder({ initialPages: 1, maximumPages: 1, shared: false });
    module.import('env', 'other', [], undefined);
    module.export(module.function('hinted', ['i32'], 'i32', (f) => write(f)));
    const compiled = new WebAssembly.Module(module.finish());
    const [section] = WebAssembly.Module.customSections(compiled, 'metadata.code.branch_hint');
    const f = new FunctionBuilder(['i32']);
    write(f);
    const [first, second] = f.finish().hints;
    // One function, the second with the import before it: two hints, each an offset, a length of 1, and 1 for likely.
    expect([...new Uint8Array(section!)]).toEqual([1, 1, 2, first!.offset, 1, 1, second!.offset, 1, 0]);
  });

  it('are left out of a module without any', () => {
    const module = new ModuleBuilder({ initialPages: 1, maximumPages: 1, shared: false });
    module.function('plain', [], 'i32', (f) => f.result(i32(1)));
    const compiled = new WebAssembly.Module(module.finish());
    expect(WebAssembly.Module.customSections(compiled, 'metadata.code.branch_hint')).toEqual([]);
  });
});
