import type { Finish } from '../device/finisher/test-finisher.ts';
import type { PlainData } from '../state/plain-data.ts';
import { StateReader } from '../state/state-reader.ts';
import type { Board } from './board.ts';
import type { Engine } from './engine.ts';
import type { SeededEntropy } from './entropy.ts';
import type { Hart } from './hart.ts';
import { restoreHart, saveHart } from './hart-state.ts';

const MACHINE_VERSION = 1;
const MACHINE_FIELDS = ['boardVersion', 'harts', 'board', 'entropy', 'epochNanoseconds', 'finish'];

/** Parts of a machine that have a state of their own. */
export interface StatefulParts {
  readonly engine: Engine;
  readonly harts: readonly Hart[];
  readonly board: Board;
  readonly entropy: SeededEntropy;
}

/** What a machine keeps itself. */
export interface OwnState {
  readonly epochNanoseconds: bigint;
  readonly finish: Finish | undefined;
}

/** Saved state of everything but memory. */
export function saveMachine({ engine, harts, board, entropy }: StatefulParts, own: OwnState): PlainData {
  return {
    version: MACHINE_VERSION,
    boardVersion: board.version.name,
    harts: harts.map((hart) => saveHart(engine.arena, hart)),
    board: board.save(),
    entropy: entropy.save(),
    epochNanoseconds: own.epochNanoseconds,
    finish: own.finish ? { kind: own.finish.kind, code: own.finish.code } : null,
  };
}

/** Puts the parts into a saved state, and gives the rest of it. Throws GodwitError('damaged') for one that is none. */
export function restoreMachine({ engine, harts, board, entropy }: StatefulParts, state: PlainData): OwnState {
  const reader = StateReader.part('the machine', state, MACHINE_VERSION, MACHINE_FIELDS);
  const name = reader.text('boardVersion');
  reader.require(name === board.version.name, `it is of the board ${name}`);
  const savedHarts = reader.list('harts', harts.length, harts.length);
  board.restore(reader.raw('board'));
  // After the devices, which put their interrupt lines into the harts and make them look at them.
  for (const hart of harts) restoreHart(engine.arena, hart, savedHarts[hart.index]!);
  entropy.restore(reader.raw('entropy'));
  return { epochNanoseconds: reader.u64('epochNanoseconds'), finish: readFinish(reader.raw('finish')) };
}

function readFinish(data: PlainData): Finish | undefined {
  if (data === null) return undefined;
  const reader = new StateReader('the machine, how it ended', data, ['kind', 'code']);
  return { kind: reader.word('kind', ['pass', 'fail', 'reset']), code: reader.integer('code', 0xffff_ffff) };
}
