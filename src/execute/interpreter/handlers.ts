import { FIRST_INSTRUCTION_OP } from '../../hart/decoded-slots.ts';
import { COMPRESSED_TARGETS } from '../../isa/compressed.ts';
import type { Decoded } from '../../isa/decode.ts';
import type { Instruction } from '../../isa/instruction.ts';
import { INSTRUCTIONS, instructionNamed } from '../../isa/table/index.ts';

/**
 * The interpreter's cases. An instruction has one for each length it comes in; those with a target relative to pc also
 * one for each direction, since only transfers to lower or equal addresses are counted, and one for code in the
 * crossing page, whose target is always in another decoded page.
 */
export interface Handler {
  readonly op: number;
  readonly instruction: Instruction;
  readonly length: 2 | 4;
  readonly direction: 'none' | 'forward' | 'backward' | 'far';
}

/** What an instruction without effect is decoded to; it is `fence`, which does nothing. */
const NOTHING = 'fence';

function variants(instruction: Instruction): Omit<Handler, 'op'>[] {
  const short = COMPRESSED_TARGETS.has(instruction.name) || instruction.name === NOTHING;
  const lengths = short ? ([4, 2] as const) : ([4] as const);
  if (instruction.flow !== 'branch' && instruction.flow !== 'jump') {
    return lengths.map((length) => ({ instruction, length, direction: 'none' }));
  }
  return lengths.flatMap((length) =>
    (['forward', 'backward', 'far'] as const).map((direction) => ({ instruction, length, direction })),
  );
}

export const HANDLERS: readonly Handler[] = INSTRUCTIONS.flatMap(variants).map((variant, index) => ({
  ...variant,
  op: FIRST_INSTRUCTION_OP + index,
}));

export const OP_ILLEGAL = FIRST_INSTRUCTION_OP + HANDLERS.length;

const ops = new Map(HANDLERS.map((h) => [`${h.instruction.name} ${h.length} ${h.direction}`, h.op]));

/** The case for a decoded instruction. */
export function opOf(decoded: Decoded, crossing: boolean): number {
  const useless = decoded.instruction.pure && decoded.rd === 0;
  const instruction = useless ? instructionNamed(NOTHING) : decoded.instruction;
  let direction: Handler['direction'] = 'none';
  if (instruction.flow === 'branch' || instruction.flow === 'jump') {
    direction = crossing ? 'far' : decoded.immediate > 0 ? 'forward' : 'backward';
  }
  return ops.get(`${instruction.name} ${decoded.length} ${direction}`)!;
}
