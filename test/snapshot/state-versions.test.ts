import { describe, expect, it } from 'vitest';
import { MachineCore } from '../../src/machine/core.ts';
import type { CoreOptions } from '../../src/machine/core-options.ts';
import type { PageSource } from '../../src/memory/page-source.ts';
import type { PlainData } from '../../src/state/plain-data.ts';

const MIB = 1024 ** 2;
const RAM = 0x8000_0000n;
const ZEROS: PageSource = { read: () => false, hotPages: [], close: () => {} };

type Fields = { [name: string]: PlainData };

const options: CoreOptions = {
  memoryBytes: MIB,
  seed: new Uint8Array(32),
  load: ({ current }) => {
    current.pc = RAM;
    for (let x = 1; x < 32; x++) current.setX(x, BigInt(x * 1000));
  },
};

async function savedState(): Promise<Fields> {
  const core = await MachineCore.create(options);
  return core.save() as Fields;
}

function restore(state: Fields): Promise<MachineCore> {
  return MachineCore.restore(options, state, ZEROS);
}

/** The state with a part of its only hart changed. */
function withHart(state: Fields, part: 'registers' | 'translations', change: (fields: Fields) => Fields): Fields {
  const [hart] = state.harts as Fields[];
  return { ...state, harts: [{ ...hart, [part]: change(hart![part] as Fields) }] };
}

function withDevice(state: Fields, name: string, change: Fields): Fields {
  const board = state.board as Fields;
  return { ...state, board: { ...board, [name]: { ...(board[name] as Fields), ...change } } };
}

function newer(pattern: RegExp): object {
  return { code: 'unsupported', message: expect.stringMatching(pattern), hint: expect.stringContaining('Update') };
}

describe('the saved state of a machine', () => {
  it('says its versions, its board, and its devices by what they are', async () => {
    const state = await savedState();
    expect(state).toMatchObject({
      version: 1,
      boardVersion: 'virt-2',
      harts: [{ version: 1, translations: { version: 1 } }],
    });
    expect(Object.keys(state.board as Fields).sort()).toEqual([
      ...['clint', 'finisher', 'plic', 'rtc@0', 'uart@0', 'virtio-console@0', 'virtio-rng@0', 'vmgenid'],
    ]);
    for (const device of Object.values(state.board as Fields)) expect(device).toMatchObject({ version: 1 });
  });

  it('has registers by their names, in any order', async () => {
    const state = await savedState();
    const before = (await restore(state)).digest();
    // Two names exchanged with their values: nothing is different.
    const exchange = (names: string, one: string, other: string) =>
      names
        .split(' ')
        .map((name) => (name === one ? other : name === other ? one : name))
        .join(' ');
    const exchanged = withHart(state, 'registers', ({ names, values }) => {
      const all = (names as string).split(' ');
      const [a, b] = [8 * all.indexOf('x10'), 8 * all.indexOf('mepc')];
      const moved = (values as Uint8Array).slice();
      moved.set((values as Uint8Array).subarray(a, a + 8), b);
      moved.set((values as Uint8Array).subarray(b, b + 8), a);
      return { names: exchange(names as string, 'x10', 'mepc'), values: moved };
    });
    const core = await restore(exchanged);
    expect(core.current.x(10)).toBe(10_000n);
    expect(core.digest()).toBe(before);
    // Names exchanged and values not: the registers are other ones.
    const renamed = withHart(state, 'registers', (registers) => {
      return { ...registers, names: exchange(registers.names as string, 'x10', 'x11') };
    });
    expect((await restore(renamed)).current.x(10)).toBe(11_000n);
  });

  it('is refused by name for a register that is unknown, missing or there twice', async () => {
    const state = await savedState();
    const named = (change: (names: string) => string) =>
      restore(
        withHart(state, 'registers', (registers) => ({ ...registers, names: change(registers.names as string) })),
      );
    await expect(named((names) => names.replace('mscratch', 'vstart'))).rejects.toMatchObject(newer(/"vstart"/));
    await expect(named((names) => names.replace('mscratch', 'vstart?'))).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining('"mscratch" is missing'),
    });
    await expect(named((names) => names.replace('mscratch', 'mepc'))).rejects.toMatchObject({ code: 'damaged' });
    const more = withHart(state, 'registers', ({ names, values }) => {
      return { names: `${names} vstart?`, values: new Uint8Array([...(values as Uint8Array), ...new Uint8Array(8)]) };
    });
    expect((await restore(more)).digest()).toBe((await restore(state)).digest());
  });

  it('is refused by name for a device that is unknown or missing, unless that is optional', async () => {
    const state = await savedState();
    const board = state.board as Fields;
    await expect(restore({ ...state, board: { ...board, 'net@0': { version: 1 } } })).rejects.toMatchObject(
      newer(/"net@0"/),
    );
    const { 'uart@0': _, ...fewer } = board;
    await expect(restore({ ...state, board: fewer })).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining('"uart@0" is missing'),
    });
    const optional = { ...state, board: { ...board, 'balloon@0?': { version: 1 } } };
    expect((await restore(optional)).digest()).toBe((await restore(state)).digest());
    const other = await MachineCore.create({
      ...options,
      disks: [{ sizeBytes: 512, readonly: true, serial: 'd', backend: { submit: () => {}, fence: () => {} } }],
    });
    await expect(restore(other.save() as Fields)).rejects.toMatchObject({
      code: 'damaged',
      message: 'The saved state has the disk "virtio-blk@0", which this machine has not.',
    });
  });

  it('is refused when it or a part is newer, and when it has something that is not marked as optional', async () => {
    const state = await savedState();
    await expect(restore({ ...state, version: 2 })).rejects.toMatchObject(newer(/machine was made by a newer godwit/));
    await expect(restore({ ...state, boardVersion: 'virt-99' })).rejects.toMatchObject(newer(/"virt-99"/));
    await expect(restore({ ...state, more: 1 })).rejects.toMatchObject(newer(/"more"/));
    for (const device of Object.keys(state.board as Fields)) {
      await expect(restore(withDevice(state, device, { version: 2 })), device).rejects.toMatchObject(newer(/format 2/));
      await expect(restore(withDevice(state, device, { more: 2 })), device).rejects.toMatchObject(newer(/"more"/));
      await restore(withDevice(state, device, { 'more?': 2 }));
      await expect(restore(withDevice(state, device, { version: -1 })), device).rejects.toMatchObject({
        code: 'damaged',
      });
      await expect(restore(withDevice(state, device, { version: 0 })), device).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining('older godwit'),
      });
      await expect(restore(withDevice(state, device, { version: 'x' })), device).rejects.toMatchObject({
        code: 'damaged',
      });
    }
    const newTranslations = withHart(state, 'translations', (fields) => ({ ...fields, version: 2 }));
    await expect(restore(newTranslations)).rejects.toMatchObject(newer(/translations of hart 0/));
  });
});
