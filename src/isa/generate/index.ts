/** Random instructions, operands and programs from the instruction table, for tests. The same seed gives the same. */
export { ANYTHING, type Choice, randomBits, randomCompressedBits } from './operands.ts';
export { Random } from './random.ts';
export { type Sequence, type SequenceOptions, sequenceGenerator } from './sequence.ts';
export { INTEGER_EDGES, type Words, writeFloat, writeInteger } from './values.ts';
