import type { Random } from '../../src/isa/generate/random.ts';
import * as G from '../../src/isa/generate/sequence.ts';
import { lengthOf } from '../../src/isa/index.ts';
import { Batch, END } from './batch.ts';
import * as I from './image.ts';
import * as R from './record.ts';
import { UNKNOWN_TO_QEMU } from './single.ts';
import { type Mode, SCRATCH_HIGH, scatteredTables, VIRTUAL_CODE, VIRTUAL_EDGE } from './tables.ts';

/** Mode and translation that sequences run under. */
export interface Setting {
  readonly name: string;
  readonly privilege: 'M' | 'S' | 'U';
  readonly translation: Mode | 'bare';
}

/** More than a sequence takes: items that are groups make it longer. */
const ROOM_BYTES = 1024;

const MPP = { M: 3, S: 1, U: 0 } as const;

/** CSRs that a case may use, with reserved rounding modes now and then. In U-mode only those of floating point. */
const FLOAT_CSRS = [0x001, 0x001, 0x001, 0x001, 0x002, 0x003];
const SUPERVISOR = [0x140, 0x142, 0x143];
/** Their spelling for QEMU is put in when code is laid out, not when it changes itself. */
const PATCHES = { without: new Set(['czero.eqz', 'czero.nez']) };
/** QEMU counts past a low word of 0 in ctzw (differences.ts); here that would spread. */
const WITHOUT = new Set([...UNKNOWN_TO_QEMU, 'ctzw']);

export function newBatch(setting: Setting, capacity: number): Batch {
  if (setting.translation === 'bare') return new Batch(capacity);
  const tables = scatteredTables(setting.translation, setting.privilege === 'U');
  return new Batch(capacity, { ...tables, scratchHigh: SCRATCH_HIGH, codeAddress: VIRTUAL_CODE });
}

/** Adds random sequences of about `length` instructions until the batch is full. */
export function fillWithSequences(batch: Batch, setting: Setting, length: number, random: Random): void {
  const csrs = setting.privilege === 'U' ? FLOAT_CSRS : [...FLOAT_CSRS, ...SUPERVISOR];
  const window = I.SCRATCH_SIDE_BYTES;
  const generate = G.sequenceGenerator({ length, window, csrs, without: WITHOUT, patches: PATCHES });
  while (batch.hasRoom(ROOM_BYTES)) addSequence(batch, setting, generate(random), random);
}

function addSequence(batch: Batch, setting: Setting, { bits, pointers }: G.Sequence, random: Random): void {
  const misplaced = random.below(2) * 2;
  const address = batch.place([...bits, END], misplaced);
  const bytes = bits.reduce((sum, one) => sum + lengthOf(one), 0) + 4;
  const at = batch.begin('sequence', address, bytes, random);
  const edge = setting.translation === 'bare' ? I.SCRATCH_EDGE : VIRTUAL_EDGE;
  for (const [register, offset] of pointers) batch.set(at, register, BigInt(edge + offset));
  batch.set(at, G.LOOP_COUNTER, BigInt(random.below(4)));
  batch.set(at, G.CODE_POINTER, BigInt(address));
  const status = at + 2 * R.R_STATUS;
  batch.input[status] = (batch.input[status]! & ~(3 << 11)) | (MPP[setting.privilege] << 11);
}
