import type { FloatFunctions, IntegerName } from '../../src/execute/float/index.ts';
import type { Callable } from '../../src/execute/wasm/index.ts';

export type Format = 'f32' | 'f64';
export type Kind = Format | IntegerName;

/** One operation as the tests see it: what goes in, what comes out, and what Berkeley TestFloat calls it. */
export interface Operation {
  readonly name: string;
  readonly operands: readonly Kind[];
  readonly result: Kind | 'boolean' | 'class';
  readonly rounds: boolean;
  readonly takesHart: boolean;
  /** Absent where TestFloat has no such operation. */
  readonly testfloat: string | undefined;
  readonly callable: (functions: FloatFunctions) => Callable;
}

const INTEGERS: readonly IntegerName[] = ['i32', 'u32', 'i64', 'u64'];
const testfloatKind = (kind: Kind) => kind.replace(/^u/, 'ui');

function operationsOf(format: Format): Operation[] {
  const make = (
    name: 'add' | 'sub' | 'mul' | 'div' | 'sqrt' | 'fma' | 'min' | 'max' | 'eq' | 'lt' | 'le',
    count: number,
    rest: { rounds: boolean; testfloat?: string; result?: 'boolean' },
  ): Operation => ({
    name: `${format}.${name}`,
    operands: Array.from({ length: count }, () => format),
    result: rest.result ?? format,
    rounds: rest.rounds,
    takesHart: true,
    testfloat: rest.testfloat && `${format}_${rest.testfloat}`,
    callable: (functions) => functions[format][name],
  });
  const rounds = true;
  return [
    make('add', 2, { rounds, testfloat: 'add' }),
    make('sub', 2, { rounds, testfloat: 'sub' }),
    make('mul', 2, { rounds, testfloat: 'mul' }),
    make('div', 2, { rounds, testfloat: 'div' }),
    make('sqrt', 1, { rounds, testfloat: 'sqrt' }),
    make('fma', 3, { rounds, testfloat: 'mulAdd' }),
    make('min', 2, { rounds: false }),
    make('max', 2, { rounds: false }),
    make('eq', 2, { rounds: false, testfloat: 'eq', result: 'boolean' }),
    make('lt', 2, { rounds: false, testfloat: 'lt', result: 'boolean' }),
    make('le', 2, { rounds: false, testfloat: 'le', result: 'boolean' }),
    {
      name: `${format}.classify`,
      operands: [format],
      result: 'class',
      rounds: false,
      takesHart: false,
      testfloat: undefined,
      callable: (functions) => functions[format].classify,
    },
    ...INTEGERS.map((integer) => ({
      name: `${format}.to.${integer}`,
      operands: [format],
      result: integer,
      rounds,
      takesHart: true,
      testfloat: `${format}_to_${testfloatKind(integer)}`,
      callable: (functions: FloatFunctions) => functions[format].toInteger[integer],
    })),
    ...INTEGERS.map((integer) => ({
      name: `${format}.from.${integer}`,
      operands: [integer],
      result: format,
      rounds,
      takesHart: true,
      testfloat: `${testfloatKind(integer)}_to_${format}`,
      callable: (functions: FloatFunctions) => functions[format].fromInteger[integer],
    })),
  ];
}

export const OPERATIONS: readonly Operation[] = [
  ...operationsOf('f32'),
  ...operationsOf('f64'),
  {
    name: 'f32ToF64',
    operands: ['f32'],
    result: 'f64',
    rounds: false,
    takesHart: true,
    testfloat: 'f32_to_f64',
    callable: (functions) => functions.f32ToF64,
  },
  {
    name: 'f64ToF32',
    operands: ['f64'],
    result: 'f32',
    rounds: true,
    takesHart: true,
    testfloat: 'f64_to_f32',
    callable: (functions) => functions.f64ToF32,
  },
];

/** RNE, RTZ, RDN, RUP, RMM; an operation that does not round has one mode. */
export function modesOf(operation: Operation): readonly number[] {
  return operation.rounds ? [0, 1, 2, 3, 4] : [0];
}

export const MODE_NAMES = ['RNE', 'RTZ', 'RDN', 'RUP', 'RMM'] as const;
export const TESTFLOAT_MODES = ['-rnear_even', '-rminMag', '-rmin', '-rmax', '-rnear_maxMag'] as const;
