/** The list of actions and what checks their parameters. */
import { describe, expect, it } from 'vitest';
import { ACTIONS, type ActionName, type ActionRow, parseParameters } from '../../src/api/actions.ts';
import { EVENTS } from '../../src/api/events.ts';
import { MachineHandle } from '../../src/api/machine.ts';
import { GodwitError } from '../../src/common/errors.ts';
import { isObject, type JsonSchema } from '../../src/common/schema.ts';
import { CONTROL_ACTIONS } from '../../src/service/control/control-protocol.ts';
import { PERFORM } from '../../src/service/machine/actions.ts';
import { Random, seedFactor } from '../disk/support/random.ts';

const NAMES = Object.keys(ACTIONS) as ActionName[];
const rowOf = (name: ActionName): ActionRow => ACTIONS[name];

/** Parameters that each action takes. */
const GOOD: { readonly [Name in ActionName]: readonly unknown[] } = {
  start: [undefined, {}],
  pause: [undefined, {}],
  resume: [undefined],
  stop: [undefined],
  statistics: [undefined],
  input: [{ bytes: Uint8Array.of(1) }, { bytes: new Uint8Array() }],
  resize: [{ columns: 0, rows: 65_535 }],
  checkpoint: [{}, { name: 'a', store: '/s', disks: 'keep', full: true, apart: false }, { name: undefined }],
  'cancel-checkpoint': [undefined],
  fork: [{}, { identity: 'same', clock: 'keep', start: false, thread: 3 }],
  record: [{ path: '/a' }, { path: '/a', replace: true, lastMinutes: 0.5 }],
  'stop-recording': [{}, { path: '/a' }],
  'save-flight': [{ path: '/a', replace: false }],
  debug: [{ listen: 0 }, { listen: '/gdb', stopped: true }],
  'agent-start': [
    { task: 'execute', arguments: ['ls', ''], environment: ['A=b'], folder: '/', user: 'nobody', waitMs: 0 },
    { task: 'get', arguments: ['/etc'], terminal: { columns: 80, rows: 24 } },
  ],
  'agent-write': [
    { request: 1, bytes: Uint8Array.of(1) },
    { request: 1, bytes: new Uint8Array(), end: true },
  ],
  'agent-read': [{ request: 4 }],
  'agent-signal': [{ request: 1, signal: 15 }],
  'agent-resize': [{ request: 1, size: { columns: 80, rows: 24 } }],
  'agent-cancel': [{ request: 1 }],
};

/** What no action takes, and the field that the error names. */
const BAD: readonly (readonly [ActionName, unknown, string])[] = [
  ['pause', { now: true }, 'now'],
  ['pause', null, 'pause'],
  ['input', { bytes: 'text' }, 'bytes'],
  ['resize', { columns: -1, rows: 1 }, 'columns'],
  ['resize', { columns: 1, rows: 1.5 }, 'rows'],
  ['resize', { columns: 1, rows: 65_536 }, 'rows'],
  ['resize', { columns: 1 }, 'rows'],
  ['checkpoint', { name: '' }, 'name'],
  ['checkpoint', { name: null }, 'name'],
  ['checkpoint', { disks: 'burn' }, 'disks'],
  ['checkpoint', { full: 1 }, 'full'],
  ['checkpoint', [], 'checkpoint'],
  ['fork', { identity: 'twin' }, 'identity'],
  ['fork', { exactTwin: true }, 'exactTwin'],
  ['record', {}, 'path'],
  ['record', { path: '/a', lastMinutes: 0 }, 'lastMinutes'],
  ['record', { path: '/a', lastMinutes: Number.NaN }, 'lastMinutes'],
  ['save-flight', { path: 'x'.repeat(5000) }, 'path'],
  ['debug', { listen: 65_536 }, 'listen'],
  ['agent-start', { task: 'execute', arguments: [] }, 'arguments'],
  ['agent-start', { task: 'execute', arguments: ['a\0b'] }, 'arguments[0]'],
  ['agent-start', { task: 'format', arguments: ['a'] }, 'task'],
  ['agent-start', { task: 'execute', arguments: 'ls' }, 'arguments'],
  ['agent-write', { request: 1, bytes: 'no Base64!' }, 'bytes'],
  ['agent-read', { request: 0 }, 'request'],
  ['agent-signal', { request: 1, signal: 65 }, 'signal'],
  ['debug', { listen: 'a\0b' }, 'listen'],
  ['debug', JSON.parse('{"listen":1,"__proto__":{"stopped":true}}'), '__proto__'],
];

describe('the list of actions', () => {
  it('is performed completely, and nothing is performed that is not in it', () => {
    expect(Object.keys(PERFORM).sort()).toEqual([...NAMES].sort());
    for (const perform of Object.values(PERFORM)) expect(perform).toBeTypeOf('function');
  });

  it('is what other processes may ask for, as far as the rows say, with what their front answers', () => {
    const open = NAMES.filter((name) => rowOf(name).open);
    expect(Object.keys(CONTROL_ACTIONS).sort()).toEqual([...open, 'attach', 'status', 'type', 'window'].sort());
    expect(open).not.toContain('input');
  });

  it('tells progress by events that can be listened to', () => {
    const progress = NAMES.flatMap((name) => rowOf(name).progress ?? []);
    expect(progress).toContain('checkpoint-progress');
    for (const event of progress) expect(EVENTS[event].toEvent).toBeTypeOf('function');
  });

  it.each(NAMES)('takes what makes sense: %s', (name) => {
    for (const parameters of GOOD[name]) {
      expect(parseParameters(name, parameters)).toEqual(
        isObject(parameters) && !isEmpty(rowOf(name)) ? parameters : undefined,
      );
    }
  });

  it.each(BAD)('refuses, and names the field: %s %j', (name, parameters, field) => {
    expect(() => parseParameters(name, parameters)).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(`"${field}"`) }),
    );
  });

  it('refuses in the same way whoever asks', async () => {
    const posted: unknown[] = [];
    const machine = new MachineHandle({ post: (message) => posted.push(message), terminate: async () => {} });
    for (const [name, parameters] of BAD.filter(([name]) => name !== 'fork' && rowOf(name).open)) {
      const before = machine.status;
      await expect(machine.perform(name as 'record', parameters)).rejects.toMatchObject({ name: 'GodwitError' });
      expect(machine.status).toBe(before);
    }
    expect(posted).toEqual([]);
  });

  const seeds = Array.from({ length: Math.ceil(20 * seedFactor) }, (_, seed) => seed + 1);
  it.each(seeds)('throws nothing but a GodwitError of usage for junk, seed %i', (seed) => {
    const random = new Random(seed);
    let refused = 0;
    for (const name of NAMES) {
      for (let round = 0; round < 200; round++) {
        const parameters = junkFor(rowOf(name), random);
        try {
          parseParameters(name, parameters);
        } catch (error) {
          refused++;
          expect(error).toBeInstanceOf(GodwitError);
          expect((error as GodwitError).code).toBe('usage');
        }
      }
    }
    expect(refused).toBeGreaterThan(NAMES.length * 100);
  });
});

function isEmpty({ takes }: ActionRow): boolean {
  return Object.keys(takes.json.properties as JsonSchema).length === 0;
}

const WORDS = [
  '',
  'keep',
  'copy',
  'fresh',
  'same',
  'follow',
  '/a',
  'a\0b',
  'x'.repeat(5000),
  '__proto__',
  '12',
] as const;
const NUMBERS = [0, -0, -1, 1.5, 80, 65_535, 65_536, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_VALUE] as const;
const FIELDS = ['toString', 'constructor', '__proto__', 'length', 'unknown'] as const;

/** Anything, and often an object with the fields that the row knows. */
function junkFor({ takes }: ActionRow, random: Random): unknown {
  const known = Object.keys(takes.json.properties as JsonSchema);
  if (random.chance(20)) return junk(random, 2);
  const fields = known.filter(() => random.chance(70));
  if (random.chance(20)) fields.push(random.pick(FIELDS));
  return Object.fromEntries(fields.map((field) => [field, junk(random, 2)]));
}

function junk(random: Random, depth: number): unknown {
  const leaves = [
    () => undefined,
    () => null,
    () => random.chance(50),
    () => random.pick(NUMBERS),
    () => random.pick(WORDS),
    () => BigInt(random.below(1000)),
    () => Symbol('junk'),
    () => () => 1,
    () => new Date(),
    () => new Map(),
    () => random.bytes(random.below(20)),
    () => Object.create(null),
    () => new ArrayBuffer(8),
  ] as const;
  if (depth === 0 || random.chance(70)) return random.pick(leaves)();
  const values = Array.from({ length: random.below(4) }, () => junk(random, depth - 1));
  return random.chance(50)
    ? values
    : Object.fromEntries(values.map((value, index) => [FIELDS[index % FIELDS.length], value]));
}
