import { describe, expect, it } from 'vitest';
import { GodwitError, isForeseen } from '../../src/common/errors.ts';
import { invariant, present, violation } from '../../src/common/invariant.ts';

const MISTAKE = {
  name: 'GodwitError',
  code: 'internal',
  message: 'A mistake in godwit: it must hold that a page lies in RAM: page 9 of 8.',
};
const RELATION = 'a page lies in RAM: page 9 of 8';

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('invariant', () => {
  it.each([false, 0, '', 0n, null, undefined])('throws a mistake of ours for %s', (condition) => {
    const error = thrownBy(() => invariant(condition, RELATION));
    expect(error).toBeInstanceOf(GodwitError);
    expect(error).toMatchObject(MISTAKE);
  });

  it.each([true, 1, 'x', {}])('lets %j pass', (condition) => {
    expect(thrownBy(() => invariant(condition, RELATION))).toBeUndefined();
  });

  it('narrows types', () => {
    const value = [1, 2].find((number) => number === 2);
    invariant(value !== undefined, '2 is there');
    const narrowed: number = value;
    expect(narrowed).toBe(2);
  });
});

describe('present', () => {
  it.each([undefined, null])('throws a mistake of ours for %s', (value) => {
    expect(thrownBy(() => present(value, RELATION))).toMatchObject(MISTAKE);
  });

  it.each([0, '', false, 0n, Number.NaN])('gives %s as it is', (value) => {
    expect(present<unknown>(value, RELATION)).toBe(value);
  });
});

describe('isForeseen', () => {
  it('tells what others did wrong from what godwit did wrong', () => {
    expect(isForeseen(new GodwitError('damaged', 'The file is cut short.'))).toBe(true);
    expect(isForeseen(violation(RELATION))).toBe(false);
    expect(isForeseen(new TypeError('x is not a function'))).toBe(false);
    expect(isForeseen('text')).toBe(false);
  });
});
