import type { MachineCore } from '../machine/core.ts';
import type { LiveRunner } from '../run/live-runner.ts';
import type { DebugTarget } from './target.ts';

export interface LiveTargetParts {
  readonly core: MachineCore;
  readonly runner: LiveRunner;
  readonly kill: () => void;
  /** Why registers and memory can't be changed just now; undefined: they can. */
  readonly readonlyBecause?: () => string | undefined;
}

/** A machine that lives: its own runner moves it, whatever a debugger stops in between. It has no history. */
export function liveTarget({ core, runner, kill, readonlyBecause }: LiveTargetParts): DebugTarget {
  return {
    core,
    run: (branches) => core.run(branches),
    step: () => core.step(),
    halt: () => runner.halt(),
    resume: (execute) => {
      runner.execute = (branches) => {
        const ran = execute(branches);
        return ran.kind === 'end' ? { kind: 'debug' } : ran;
      };
      runner.unhalt();
    },
    leave: () => runner.release(),
    kill,
    yield: () => Promise.resolve(),
    get readonlyBecause() {
      return readonlyBecause?.();
    },
  };
}
