import { expect, it } from 'vitest';
import { type Finish, TestFinisher } from '../../src/device/finisher/test-finisher.ts';

it('the finisher passes on what the guest asks for', () => {
  const finishes: Finish[] = [];
  const finisher = new TestFinisher({ finish: (finish) => finishes.push(finish) });
  finisher.write(0, 4, 0x5555);
  finisher.write(0, 2, 0x3333);
  finisher.write(0, 4, 0xffff_3333);
  finisher.write(0, 4, 0x7777);
  finisher.write(0, 4, 0x1234);
  finisher.write(0, 1, 0x55);
  finisher.write(4, 4, 0x5555);
  expect(finishes).toEqual([
    { kind: 'pass', code: 0 },
    { kind: 'fail', code: 0 },
    { kind: 'fail', code: 0xffff },
    { kind: 'reset', code: 0 },
  ]);
  expect(finisher.read(0, 4)).toBe(0);
  finisher.restore(finisher.save());
  expect(() => finisher.restore(null)).toThrow(/damaged/);
});
