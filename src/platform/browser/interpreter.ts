import { interpreterModule } from '../../machine/interpreter-module.ts';

/** Generated when it is first asked for: that takes less than to download it. */
export function browserInterpreter(): Promise<WebAssembly.Module> {
  return interpreterModule({ shared: true, floatFastPaths: true });
}
