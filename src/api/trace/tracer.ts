import { MCAUSE, PRIVILEGE, SCAUSE } from '../../hart/layout.ts';
import { lengthOf } from '../../isa/decode.ts';
import { disassemble } from '../../isa/disassemble.ts';
import type { MachineCore } from '../../machine/core.ts';
import type { Outcome } from '../../machine/outcome.ts';
import { peekInstruction } from './fetch.ts';
import { type TraceFilter, type TraceMatcher, traceMatcher } from './filter.ts';

/** A traced machine comes up for air at the first counted transfer after so many instructions. */
const SLICE_INSTRUCTIONS = 2000;
const MODES = ['U', 'S', '-', 'M'];

/**
 * Makes a machine show what it executes: from now on it runs instruction by instruction, at the same execution points
 * as before, and `write` gets a line for each that the filter picks:
 *
 *     S ffffffff80200000 00000517  auipc a0,0x0
 *
 * that is, privilege mode, pc, encoding, text. Traps are shown when the filter has no mnemonics:
 *
 *     S ffffffff80201234 -> interrupt 5
 */
export function traceMachine(core: MachineCore, filter: TraceFilter, write: (line: string) => void): void {
  const tracer = new Tracer(core, filter, write);
  core.run = (branches) => tracer.run(branches);
}

class Tracer {
  private readonly core: MachineCore;
  private readonly matcher: TraceMatcher;
  private readonly showTraps: boolean;
  private readonly write: (line: string) => void;

  constructor(core: MachineCore, filter: TraceFilter, write: (line: string) => void) {
    this.core = core;
    this.matcher = traceMatcher(filter);
    this.showTraps = filter.mnemonics.length === 0;
    this.write = write;
  }

  run(branches: bigint): Outcome {
    const { core } = this;
    for (let count = 0; ; count++) {
      const enough = count >= SLICE_INSTRUCTIONS || core.current.branches >= branches;
      if (count > 0 && enough && core.acceptsEvents) return { kind: 'slice' };
      const outcome = this.step();
      if (outcome.kind !== 'slice') return outcome;
    }
  }

  private step(): Outcome {
    const { core } = this;
    const { current: hart } = core;
    const { pc } = hart;
    if (!this.matcher.address(pc)) return core.step();
    const mode = MODES[Number(hart.get(PRIVILEGE))] ?? '-';
    const bits = peekInstruction(core, pc);
    const retired = hart.instructionsRetired;
    const { branches } = hart;
    const outcome = core.step();
    if (hart.instructionsRetired !== retired) this.show(mode, pc, bits);
    else if (hart.branches !== branches) this.trapped(mode, pc);
    return outcome;
  }

  private show(mode: string, pc: bigint, bits: number | undefined): void {
    if (bits === undefined) return;
    const text = disassemble(bits, pc);
    if (!this.matcher.text(text)) return;
    const encoding = bits.toString(16).padStart(lengthOf(bits) * 2, '0');
    this.write(`${mode} ${hex(pc)} ${encoding.padEnd(8)}  ${text}`);
  }

  /** Nothing retired and a transfer was counted: the cause register of the mode entered says why. */
  private trapped(mode: string, pc: bigint): void {
    if (!this.showTraps) return;
    const { current: hart } = this.core;
    const cause = hart.get(hart.get(PRIVILEGE) === 3n ? MCAUSE : SCAUSE);
    const kind = cause < 0n ? 'interrupt' : 'exception';
    this.write(`${mode} ${hex(pc)} -> ${kind} ${BigInt.asUintN(63, cause)}`);
  }
}

function hex(address: bigint): string {
  return address.toString(16).padStart(16, '0');
}
