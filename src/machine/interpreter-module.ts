import { generateInterpreter } from '../execute/interpreter/generate.ts';

export interface InterpreterKind {
  /** For a memory that threads share. */
  readonly shared: boolean;
  readonly floatFastPaths: boolean;
}

/** What the machines of a program run. */
export const MACHINE_INTERPRETER: InterpreterKind = { shared: true, floatFastPaths: true };

const modules = new Map<string, Promise<WebAssembly.Module>>();

function keyOf({ shared, floatFastPaths }: InterpreterKind): string {
  return `${shared} ${floatFastPaths}`;
}

/** The interpreter's WebAssembly. A module asks for at least the memory it was made for; the smallest serves all. */
export function generateInterpreterOf({ shared, floatFastPaths }: InterpreterKind): Uint8Array<ArrayBuffer> {
  return generateInterpreter({ memory: { initialPages: 1, maximumPages: 65536, shared }, floatFastPaths });
}

/** The interpreter, compiled once in each thread, or provided from elsewhere. */
export function interpreterModule(kind: InterpreterKind): Promise<WebAssembly.Module> {
  const key = keyOf(kind);
  let module = modules.get(key);
  if (!module) {
    module = WebAssembly.compile(generateInterpreterOf(kind));
    modules.set(key, module);
  }
  return module;
}

/**
 * For platforms that have it already: generating takes a tenth of a second. It must be what `generateInterpreterOf`
 * gives.
 */
export function provideInterpreter(kind: InterpreterKind, module: WebAssembly.Module): void {
  modules.set(keyOf(kind), Promise.resolve(module));
}
