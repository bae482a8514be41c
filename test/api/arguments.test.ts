/** What the library says of arguments that make no sense: at the call, by name, with nothing else touched. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fromWireError, toWireError } from '../../src/api/wire-error.ts';
import * as disk from '../../src/backend/disk/index.ts';
import { GodwitError } from '../../src/common/errors.ts';
import * as isa from '../../src/isa/index.ts';
import * as godwit from '../../src/node.ts';
import { Random, seedFactor } from '../disk/support/random.ts';
import { echoing } from './programs.ts';

const { Machine, CheckpointStore, Player, FollowedRecording } = godwit;
type Call = (...parameters: never[]) => unknown;

/** A function of the library with arguments that it takes. */
interface Called {
  readonly call: Call;
  readonly good: readonly unknown[];
}

const CALLS = new Map<string, Called>();
const opened: { folder: string; machines: godwit.Machine[]; closing: (() => unknown)[] } = {
  folder: '',
  machines: [],
  closing: [],
};

function add(name: string, call: Call, good: readonly unknown[]): void {
  CALLS.set(name, { call, good });
}

/** What a call makes is taken away again. */
async function dispose(result: unknown): Promise<void> {
  if (result instanceof Machine) await result.stop();
  else if (result instanceof FollowedRecording) result.recording.close();
  else if (result instanceof Player || isCloseable(result)) await result.close();
  else if (typeof result === 'object' && result !== null && 'dispose' in result) (result.dispose as () => void)();
}

function isCloseable(result: unknown): result is { close(): unknown } {
  return typeof result === 'object' && result !== null && 'close' in result && typeof result.close === 'function';
}

async function boot(): Promise<godwit.Machine> {
  const machine = await Machine.create({ kernel: echoing(), memory: '16M' });
  opened.machines.push(machine);
  await machine.start();
  return machine;
}

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let count = 0;
/** It does what it is asked for. */
async function expectAlive(machine: godwit.Machine): Promise<void> {
  const word = `alive${count++};`;
  await machine.console.write(word);
  expect(await machine.console.waitFor(word)).toBe(word);
  expect(machine.status).toBe('running');
}

let subject: godwit.Machine;
let bystander: godwit.Machine;
const usage = (name: string) =>
  expect.objectContaining({ name: 'GodwitError', code: 'usage', message: expect.stringContaining(`"${name}"`) });

beforeAll(async () => {
  opened.folder = mkdtempSync(join(tmpdir(), 'godwit-arguments-'));
  const { folder } = opened;
  // Where arguments are missing nobody's own folders are used, and nothing is fetched.
  vi.stubEnv('XDG_DATA_HOME', join(folder, 'data'));
  vi.stubEnv('XDG_CACHE_HOME', '/proc/none');
  [subject, bystander] = [await boot(), await boot()];
  const path = join(folder, 'a.rec');
  await subject.record({ path });
  await expectAlive(subject);
  await subject.stopRecording();
  const recording = await godwit.openRecording(path);
  const store = await CheckpointStore.open({ folder: join(folder, 'store') });
  const player = await Player.open({ recording, output: async () => {} });
  const timeline = await godwit.openTimeline({ recording });
  opened.closing.push(
    () => player.close(),
    () => timeline.dispose(),
    () => recording.close(),
    () => store.close(),
  );
  addMachineCalls(folder);
  addOtherCalls(folder, path, { recording, store, player, timeline });
  addDiskCalls();
  addIsaCalls();
});

function addMachineCalls(folder: string): void {
  add('Machine.create', Machine.create as Call, [
    {
      kernel: echoing(),
      memory: '16M',
      disks: [{ path: join(folder, 'none') }],
      seed: 'a',
      terminal: { columns: 1, rows: 1 },
    },
  ]);
  add('Machine.restore', Machine.restore as Call, [
    'none',
    { store: join(folder, 'store'), engine: 'jit', threads: 1 },
  ]);
  add('console.write', (data) => subject.console.write(data), ['x']);
  add('console.resize', (...size: [never, never]) => subject.console.resize(...size), [80, 24]);
  // It may wait for ever.
  add('console.waitFor', (...args: [never, never]) => Promise.race([subject.console.waitFor(...args), delay(5)]), [
    'x',
    { timeoutMs: 1 },
  ]);
  add('machine.checkpoint', (options) => subject.checkpoint(options), [
    { name: '-none', store: join(folder, 'store'), disks: 'copy', full: true, apart: true },
  ]);
  add('machine.record', (options) => subject.record(options), [
    { path: join(folder, 'no/a.rec'), replace: false, lastMinutes: 1 },
  ]);
  add('machine.stopRecording', (path) => subject.stopRecording(path), [join(folder, 'none')]);
  add('machine.saveFlight', (...args: [never, never]) => subject.saveFlight(...args), [
    join(folder, 'x'),
    { replace: true },
  ]);
  add('machine.debug', (options) => subject.debug(options), [{ listen: join(folder, 'no/gdb'), stopped: false }]);
  add('machine.fork', (options) => subject.fork(options), [{ identity: 'fresh', clock: 'follow', start: false }]);
  add('machine.on', (...args: [never, never]) => (subject.on(...args) as () => void)(), ['disk-error', () => {}]);
}

interface Opened {
  readonly recording: godwit.Recording;
  readonly store: godwit.CheckpointStore;
  readonly player: godwit.Player;
  readonly timeline: godwit.Timeline;
}

function addOtherCalls(folder: string, path: string, { recording, store, player, timeline }: Opened): void {
  const none = join(folder, 'none');
  add('openRecording', godwit.openRecording as Call, [path]);
  add('FollowedRecording.open', FollowedRecording.open as Call, [path, { everyMs: 1, signal: { aborted: true } }]);
  add('Player.open', Player.open as Call, [{ recording, output: async () => {} }]);
  add('player.seek', (place) => player.seek(place), [{ kind: 'time', seconds: 0 }]);
  add('player.isBehind', (place) => player.isBehind(place), [{ kind: 'branch', branches: 1n }]);
  add('player.speed', (speed) => Object.assign(player, { speed }) && undefined, [2]);
  add('openTimeline', godwit.openTimeline as Call, [{ recording, output: () => {} }]);
  add('timeline.runForward', (...args: [never, never]) => timeline.runForward(...args), [1n, () => true]);
  add('timeline.seek', (point) => timeline.seek(point), [timeline.beginning]);
  add('timeline.seekBranches', (branches) => timeline.seekBranches(branches), [1n]);
  add('CheckpointStore.open', CheckpointStore.open as Call, [{ folder: join(folder, 'store'), lockWaitMs: 5 }]);
  add('store.show', (reference) => store.show(reference), ['none']);
  add('store.resolve', (reference) => store.resolve(reference), ['none']);
  add('store.verify', (reference) => store.verify(reference), ['none']);
  add('store.diskPath', (name) => store.diskPath(name), ['disk0']);
  add('store.delete', (reference) => store.delete(reference), ['none']);
  add('store.rename', (...args: [never, never]) => store.rename(...args), ['none', 'other']);
  add('store.export', (...args: [never, never, never]) => store.export(...args), [
    'none',
    none,
    { onProgress: () => {} },
  ]);
  add('store.import', (...args: [never, never]) => store.import(...args), [none, { name: 'a', freshId: true }]);
  add('createDisk', godwit.createDisk as Call, [
    join(folder, 'no/disk'),
    { sizeBytes: 512, format: 'qcow2', clusterBits: 9 },
  ]);
  add('openDisk', godwit.openDisk as Call, [none, { readonly: true, format: 'raw' }]);
  const guest = { cacheFolder: join(path, 'no'), check: 'quick', update: false, mirror: 'no:', keyring: none };
  add('ensureGuest', godwit.ensureGuest as Call, [guest]);
  add('ensureDebianDisk', godwit.ensureDebianDisk as Call, [{ ...guest, variant: 'usual', runMachine: async () => 1 }]);
  add('parseByteSize', godwit.parseByteSize as Call, ['It', '5M']);
  add('formatByteSize', godwit.formatByteSize as Call, [5]);
  add('describeStatistics', godwit.describeStatistics as Call, [{ instructions: 1 }]);
  add('describeEngine', godwit.describeEngine as Call, [{ instructions: 1, engine: {} }]);
}

function addDiskCalls(): void {
  const file = new disk.MemoryByteFile('file');
  const memory = new disk.MemoryDisk(4096);
  const switchable = new disk.SwitchableDisk(new disk.MemoryDisk(512));
  const committing = new disk.CommittingDisk(new disk.MemoryDisk(512), new disk.MemoryDisk(512));
  add('MemoryByteFile', ((...args: [never]) => new disk.MemoryByteFile(...args)) as Call, ['name', { readonly: true }]);
  add('MemoryDisk', ((...args: [never]) => new disk.MemoryDisk(...args)) as Call, [512, { readonly: true }]);
  add('file.read', (...args: [never, never]) => file.read(...args), [0, new Uint8Array(1)]);
  add('file.write', (...args: [never, never]) => file.write(...args), [0, new Uint8Array(1)]);
  add('file.truncate', (size) => file.truncate(size), [5]);
  add('file.punchHole', (...args: [never, never]) => file.punchHole(...args), [0, 1]);
  for (const [name, some] of Object.entries({ memory, switchable, committing })) {
    add(`${name}.read`, (...args: [never, never]) => some.read(...args), [0, new Uint8Array(1)]);
    add(`${name}.write`, (...args: [never, never]) => some.write(...args), [0, new Uint8Array(1)]);
    add(`${name}.discard`, (...args: [never, never]) => some.discard(...args), [0, 1]);
    add(`${name}.writeZeroes`, (...args: [never, never, never]) => some.writeZeroes(...args), [0, 1, true]);
  }
  add('switchable.switchTo', (...args: [never]) => void switchable.switchTo(...args), [memory, { flushOld: true }]);
  add('committing.commit', (options) => committing.commit(options), [{ onProgress: () => {} }]);
  add('committing stays sound', () => committing.assertFollowing(), []);
  add('SwitchableDisk', ((of: never) => void new disk.SwitchableDisk(of)) as Call, [memory]);
  add('BorrowedDisk', ((of: never) => void new disk.BorrowedDisk(of)) as Call, [memory]);
  add('CommittingDisk', ((...of: [never, never]) => void new disk.CommittingDisk(...of)) as Call, [memory, memory]);
  const copying = { imagesUnder: 0, targetHasBacking: false, signal: { aborted: false }, onProgress: () => {} };
  add('copyDisk', disk.copyDisk as Call, [memory, new disk.MemoryDisk(4096), copying]);
  add('probeFormat', disk.probeFormat as Call, [file]);
  add('createQcow2', disk.createQcow2 as Call, [
    new disk.MemoryByteFile('q'),
    { sizeBytes: 512, clusterBits: 9, temporary: true },
  ]);
  add('RawDisk.open', disk.RawDisk.open as Call, [
    new disk.MemoryByteFile('r'),
    { readonly: true, formatWasProbed: true },
  ]);
  add('Qcow2Disk.open', disk.Qcow2Disk.open as Call, [
    new disk.MemoryByteFile('s'),
    { readonly: true, tableCacheBytes: 512 },
  ]);
}

function addIsaCalls(): void {
  add('decode', isa.decode as Call, [0x13]);
  add('lengthOf', isa.lengthOf as Call, [0x13]);
  add('disassemble', isa.disassemble as Call, [0x13, 0n]);
  add('encode', isa.encode as Call, [isa.INSTRUCTIONS[0], { rd: 1, rs1: 1, immediate: 5 }]);
  add('encodeNamed', isa.encodeNamed as Call, ['addi', { rd: 1 }]);
  add('instructionNamed', isa.instructionNamed as Call, ['addi']);
}

afterAll(async () => {
  for (const close of opened.closing) await close();
  vi.unstubAllEnvs();
  await Promise.all(opened.machines.map((machine) => machine.stop()));
  rmSync(opened.folder, { recursive: true, force: true });
});

describe('an argument that makes no sense', () => {
  const bad: readonly (readonly [string, (machine: godwit.Machine) => unknown, string])[] = [
    ...[undefined, null, 5, [65, 66], new ArrayBuffer(4), new Uint16Array([65]), { length: 1 }].map(
      (data) => [`write(${String(data)})`, (m: godwit.Machine) => m.console.write(data as never), 'data'] as const,
    ),
    ...[undefined, null, 5, {}].map(
      (data) => [`waitFor(${data})`, (m: godwit.Machine) => m.console.waitFor(data as never), 'pattern'] as const,
    ),
    ['waitFor in -1 ms', (m) => m.console.waitFor('x', { timeoutMs: -1 }), 'timeoutMs'],
    ['waitFor in NaN ms', (m) => m.console.waitFor('x', { timeoutMs: Number.NaN }), 'timeoutMs'],
    ['waitFor in 5', (m) => m.console.waitFor('x', 5 as never), 'options'],
    ['waitFor({timeout})', (m) => m.console.waitFor('x', { timeout: 1 } as never), 'timeout'],
    ['resize(1)', (m) => m.console.resize(1, undefined as never), 'rows'],
    ['checkpoint(name: number)', (m) => m.checkpoint({ name: Date.now() as never }), 'name'],
    ['checkpoint(null)', (m) => m.checkpoint(null as never), 'checkpoint'],
    ['checkpoint({nmae})', (m) => m.checkpoint({ nmae: 'x' } as never), 'nmae'],
    ['record()', (m) => m.record(undefined as never), 'record'],
    ['debug()', (m) => m.debug(undefined as never), 'debug'],
    ['stopRecording(5)', (m) => m.stopRecording(5 as never), 'path'],
    ['saveFlight(x, null)', (m) => m.saveFlight('x', null as never), 'options'],
    ['fork(x)', (m) => m.fork('x' as never), 'options'],
    ['fork({thread})', (m) => m.fork({ thread: 1 } as never), 'thread'],
    ['on(nope)', async (m) => m.on('nope' as never, () => {}), 'name'],
    ['on(output)', async (m) => m.on('output' as never, () => {}), 'name'],
    ['on(trace, 5)', async (m) => m.on('trace', 5 as never), 'listener'],
    ['create()', () => Machine.create(undefined as never), 'options'],
    ['create({disks: [null]})', () => Machine.create({ kernel: 'x', disks: [null as never] }), 'disks[0]'],
    ['create({disks: [{}]})', () => Machine.create({ kernel: 'x', disks: [{} as never] }), 'path'],
    [
      'create({disks: [{path: 5}]})',
      () => Machine.create({ kernel: 'x', disks: [{ path: 5 as never }] }),
      'disks[0].path',
    ],
    ['create({kernel: 5})', () => Machine.create({ kernel: 5 as never }), 'kernel'],
    ['create({memroy})', () => Machine.create({ kernel: 'x', memroy: 5 } as never), 'memroy'],
    ['create({threads: 0})', () => Machine.create({ kernel: 'x', threads: 0 }), 'threads'],
    ['restore(5)', () => Machine.restore(5 as never), 'checkpoint'],
    ['restore(x, null)', () => Machine.restore('x', null as never), 'options'],
    ['restore(x, {stoer})', () => Machine.restore('x', { stoer: 'y' } as never), 'stoer'],
    [
      'store.rename(x)',
      async () => (await CheckpointStore.open({ folder: opened.folder })).rename('x', undefined as never),
      'name',
    ],
    ['store.open(null)', () => CheckpointStore.open(null as never), 'options'],
    ['createDisk(x)', () => godwit.createDisk('x', undefined as never), 'options'],
    ['createDisk(size)', () => godwit.createDisk('x', { sizeBytes: '1G' as never }), 'sizeBytes'],
    ['openDisk({format})', () => godwit.openDisk('x', { format: 'vmdk' as never }), 'format'],
    ['ensureGuest({folder})', () => godwit.ensureGuest({ folder: 'x' } as never), 'folder'],
    ['Player.open({})', () => Player.open({} as never), 'recording'],
    ['openTimeline()', () => godwit.openTimeline(undefined as never), 'parts'],
  ];
  it.each(bad)('is refused by its name: %s', async (_, call, name) => {
    await expect(Promise.resolve(call(subject))).rejects.toEqual(usage(name));
    await expectAlive(subject);
  });

  it('makes no later output throw, nor later calls fail', async () => {
    const machine = await boot();
    const waits = [undefined, null, 7].map((pattern) => machine.console.waitFor(pattern as never));
    for (const wait of waits) await expect(wait).rejects.toEqual(usage('pattern'));
    await expectAlive(machine);
    await machine.stop();
    expect(machine.status).toBe('ended');
  });

  it('is not seen in a disk that is being committed', async () => {
    const committing = new disk.CommittingDisk(new disk.MemoryDisk(512), new disk.MemoryDisk(512));
    await expect(committing.write(0, 'x' as never)).rejects.toMatchObject({ code: 'usage' });
    await expect(committing.write(600, new Uint8Array(1))).rejects.toMatchObject({ code: 'usage' });
    await committing.commit();
    committing.assertFollowing();
  });
});

describe('what makes sense is taken', () => {
  it('an expression of any flags, and bytes that others may change or have given away', async () => {
    await subject.console.write('abc');
    expect(await subject.console.waitFor(/B/giy)).toBe('b');
    const shared = new Uint8Array(new SharedArrayBuffer(2)).fill(0x64);
    const write = subject.console.write(shared);
    shared.fill(0x65);
    await write;
    expect(await subject.console.waitFor('dd')).toBe('dd');
    const given = new Uint8Array(4);
    structuredClone(given.buffer, { transfer: [given.buffer] });
    await subject.console.write(given);
    await expectAlive(subject);
  });
});

describe('a fuzzer over everything that is public', () => {
  it('knows every function and class', () => {
    const called = [...CALLS.keys()].map((name) => name.split('.')[0]!);
    // Errors are made of anything; of a handle there are only machines.
    const exempt = ['GodwitError', 'DivergenceError', 'MachineHandle', 'MemoryFileContent'];
    for (const surface of [godwit, disk, isa]) {
      const names = Object.entries(surface).flatMap(([name, value]) => (typeof value === 'function' ? name : []));
      expect(names.filter((name) => !called.includes(name) && !exempt.includes(name))).toEqual([]);
    }
  });

  const seeds = Array.from({ length: Math.ceil(3 * seedFactor) }, (_, index) => index + 1);
  it.each(seeds)(
    'finds nothing but errors that are foreseen, and machines that go on, seed %i',
    async (seed) => {
      const random = new Random(seed);
      let refused = 0;
      for (const [name, { call, good }] of CALLS) {
        for (let round = 0; round < 25; round++) {
          const parameters = spoil(good, random);
          try {
            const work = (async () => (call as (...all: unknown[]) => unknown)(...parameters))();
            await dispose(await soon(work, () => `${name}(${parameters.map(shown).join(', ')}) does not end`));
          } catch (error) {
            expect(error, `${name}(${parameters.map(shown).join(', ')})`).toBeInstanceOf(GodwitError);
            const { code, message } = error as GodwitError;
            expect(code, message).not.toBe('internal');
            expect(fromWireError(toWireError(error)).message).toBe(message);
            refused++;
          }
        }
        if (name.startsWith('machine') || name.startsWith('console')) await expectAlive(subject);
      }
      expect(refused).toBeGreaterThan(CALLS.size * 10);
      await expectAlive(subject);
      await expectAlive(bystander);
      // A flight recorder makes the folder that it is given.
      const known = ['a.rec', 'store', 'data', 'no'];
      expect(readdirSync(opened.folder).filter((name) => !known.includes(name))).toEqual([]);
    },
    300_000,
  );
});

/** Nothing that is called here takes long. */
async function soon<T>(work: Promise<T>, what: () => string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(what())), 20_000);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

function shown(value: unknown): string {
  try {
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  } catch {
    return typeof value;
  }
}

/** One argument is another one, or one of its fields is, or there is a field too many. */
function spoil(good: readonly unknown[], random: Random): unknown[] {
  const parameters = [...good];
  const at = random.below(parameters.length);
  const given = parameters[at];
  const isPlain = typeof given === 'object' && given !== null && Object.getPrototypeOf(given) === Object.prototype;
  if (!isPlain || random.chance(30)) parameters[at] = junk(random, 2);
  else {
    const field = random.chance(10) ? 'unknown' : random.pick(Object.keys(given));
    parameters[at] = { ...given, [field]: junk(random, 2) };
  }
  return random.chance(5) ? parameters.slice(0, at) : parameters;
}

const TEXTS = ['', '\0', 'x'.repeat(5000), '/proc/__proto__', '/proc/none/x', '/proc/\ud800'] as const;
const NUMBERS = [0, -0, -1, 1.5, 2 ** 31, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, -Number.MAX_VALUE] as const;

function junk(random: Random, depth: number): unknown {
  const leaves = [
    () => undefined,
    () => null,
    () => random.chance(50),
    () => random.pick(NUMBERS),
    () => BigInt(random.below(1000)) - 500n,
    () => Symbol('junk'),
    () => () => 1,
    () => new Date(Number.NaN),
    () => new Map([[1, 2]]),
    () => random.bytes(random.below(20)),
    () => new Uint16Array(3),
    () => Object.create(null),
    () => new ArrayBuffer(8),
    () => /x/g,
    () => Promise.resolve(1),
    () => new (class Other {})(),
    () => new Error('junk'),
    () => new Array(5),
    () => new Proxy({}, {}),
  ] as const;
  if (random.chance(20)) return random.pick(TEXTS);
  if (depth === 0 || random.chance(70)) return random.pick(leaves)();
  const values = Array.from({ length: random.below(4) }, () => junk(random, depth - 1));
  return random.chance(50) ? values : Object.fromEntries(values.map((value, index) => [`field${index}`, value]));
}
