import { describe, expect, it } from 'vitest';
import { parseModinfoSection, readModuleInfo } from '../../src/guest/modinfo.ts';
import { type ModulePackage, modprobeFiles, moduleName, resolveModules } from '../../src/guest/modules.ts';
import { stripModule } from '../../src/guest/strip-module.ts';
import { buildModule, type ModuleSketch } from './elf-builder.ts';

function packageOf(sketches: Record<string, ModuleSketch>, builtin: string[] = []): ModulePackage {
  const files = Object.entries(sketches).map(([path, sketch]) => [path, new Uint8Array(buildModule(sketch))] as const);
  return { files: new Map(files), builtin: new Set(builtin) };
}

async function orderOf(modules: ModulePackage, wanted: string[]): Promise<string[]> {
  return (await resolveModules(modules, wanted)).map((module) => module.info.name);
}

describe('module information', () => {
  it('splits a .modinfo section into pairs', () => {
    expect(parseModinfoSection(Buffer.from('a=1\0\0b=x=y\0noise\0'))).toEqual([
      ['a', '1'],
      ['b', 'x=y'],
    ]);
  });

  it('reads names, dependencies, aliases and symbols', () => {
    const file = buildModule({
      name: 'ext4',
      depends: ['jbd2', 'crc16'],
      softdep: 'pre: crypto-crc32c post: later other',
      aliases: ['fs-ext4', 'ext2'],
      needs: ['printk', 'jbd2_start'],
      exports: ['ext4_thing'],
    });
    expect(readModuleInfo(file, 'ext4')).toEqual({
      name: 'ext4',
      depends: ['jbd2', 'crc16'],
      softPre: ['crypto-crc32c'],
      softPost: ['later', 'other'],
      aliases: ['fs-ext4', 'ext2'],
      vermagic: '1.0 SMP riscv',
      needs: ['printk', 'jbd2_start'],
      exports: ['ext4_thing'],
    });
  });

  it('says that a broken file is damaged, wherever it is cut or changed', () => {
    const file = buildModule({ name: 'x', needs: ['a'], exports: ['b'], unusedLabels: 3 });
    const whole = file.length - '~Module signature appended~\n'.length;
    for (let length = 0; length < whole; length += 7) {
      expect(() => readModuleInfo(file.subarray(0, length), 'x')).toThrow(
        expect.objectContaining({ name: 'GodwitError' }),
      );
    }
    let seed = 12345;
    const random = (limit: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return Math.floor((seed / 2 ** 32) * limit);
    };
    for (let round = 0; round < 3000; round++) {
      const changed = Buffer.from(file);
      for (let count = 0; count < 4; count++) changed[random(whole)] = random(256);
      for (const use of [readModuleInfo, stripModule]) {
        try {
          use(changed, 'x');
        } catch (error) {
          expect(error, `seed 12345, round ${round}`).toMatchObject({ name: 'GodwitError' });
        }
      }
    }
  });
});

describe('module order', () => {
  it('puts each after what it depends on, with built-in ones left out', async () => {
    const modules = packageOf(
      {
        'kernel/fs/ext4/ext4.ko': {
          name: 'ext4',
          depends: ['jbd2', 'mbcache', 'in_kernel'],
          softdep: 'pre: crypto-crc32c',
        },
        'kernel/fs/jbd2/jbd2.ko': { name: 'jbd2', softdep: 'pre: crypto-crc32c' },
        'kernel/fs/mbcache.ko': { name: 'mbcache' },
        'kernel/crypto/crc32c_generic.ko': { name: 'crc32c_generic', aliases: ['crypto-crc32c'] },
        'kernel/crypto/crc32c_other.ko': { name: 'crc32c_other' },
        'kernel/unused.ko': { name: 'unused' },
      },
      ['in_kernel'],
    );
    expect(await orderOf(modules, ['ext4'])).toEqual(['crc32c_generic', 'jbd2', 'mbcache', 'ext4']);
  });

  it('takes dashes and underscores as the same, and each module once', async () => {
    const modules = packageOf({
      'kernel/virtio-rng.ko': { name: 'virtio_rng', depends: ['rng-core'] },
      'kernel/rng_core.ko': { name: 'rng_core' },
    });
    expect(await orderOf(modules, ['virtio_rng', 'virtio-rng', 'rng-core'])).toEqual(['rng_core', 'virtio_rng']);
    expect(moduleName('a/b/virtio-rng.ko.xz')).toBe('virtio_rng');
  });

  it('ends when soft dependencies form a circle, and passes over soft ones that are missing', async () => {
    const modules = packageOf({
      'kernel/a.ko': { name: 'a', softdep: 'pre: b' },
      'kernel/b.ko': { name: 'b', softdep: 'post: a nothing' },
    });
    expect((await orderOf(modules, ['a'])).sort()).toEqual(['a', 'b']);
  });

  it('says which module is missing and who needs it', async () => {
    const modules = packageOf({ 'kernel/a.ko': { name: 'a', depends: ['gone'] } });
    await expect(resolveModules(modules, ['a'])).rejects.toThrow('no module gone, which a needs');
  });

  it('notices a symbol that comes too late', async () => {
    const modules = packageOf({
      'kernel/a.ko': { name: 'a', needs: ['from_b'] },
      'kernel/b.ko': { name: 'b', exports: ['from_b'] },
    });
    await expect(resolveModules(modules, ['a', 'b'])).rejects.toThrow('from_b');
    expect(await orderOf(modules, ['b', 'a'])).toEqual(['b', 'a']);
  });

  it('writes modules.dep with all prerequisites, the last to load first', async () => {
    const modules = packageOf({
      'kernel/top.ko': { name: 'top', depends: ['middle'], aliases: ['fs-top'] },
      'kernel/middle.ko': { name: 'middle', depends: ['bottom'] },
      'kernel/bottom.ko': { name: 'bottom' },
    });
    const files = modprobeFiles(await resolveModules(modules, ['top']));
    expect(files.dep).toBe(
      'kernel/bottom.ko:\nkernel/middle.ko: kernel/bottom.ko\nkernel/top.ko: kernel/middle.ko kernel/bottom.ko\n',
    );
    expect(files.alias).toBe('alias fs-top top\n');
  });
});

describe('stripping a module', () => {
  const sketch: ModuleSketch = { name: 'm', needs: ['printk', 'kfree'], exports: ['m_call'], unusedLabels: 500 };

  it('drops unused labels and the signature, and keeps everything that is used', () => {
    const before = buildModule(sketch);
    const after = stripModule(before, 'm');
    expect(after.length).toBeLessThan(before.length - 500 * 24);
    expect(Buffer.from(after).includes('~Module signature appended~')).toBe(false);
    // The markers of exports are not used after the order is known.
    expect(readModuleInfo(after, 'm')).toEqual({ ...readModuleInfo(before, 'm'), exports: [] });
    expect(Buffer.from(after).includes('a_function')).toBe(true);
  });

  it('lets relocations name the same symbols as before', () => {
    expect(relocationTargets(stripModule(buildModule(sketch), 'm'))).toEqual(['printk', 'kfree']);
  });

  it('gives the same file when there is nothing more to drop', () => {
    const once = stripModule(buildModule(sketch), 'm');
    expect(Buffer.compare(stripModule(once, 'm'), once)).toBe(0);
  });
});

/** Names of the symbols that the second section's relocations refer to, read by hand. */
function relocationTargets(file: Uint8Array): string[] {
  const view = Buffer.from(file);
  const table = Number(view.readBigUInt64LE(0x28));
  const section = (index: number): { offset: number; size: number } => ({
    offset: Number(view.readBigUInt64LE(table + index * 64 + 0x18)),
    size: Number(view.readBigUInt64LE(table + index * 64 + 0x20)),
  });
  const [relocations, symbols, strings] = [section(2), section(4), section(5)];
  return Array.from({ length: relocations.size / 24 }, (_, index) => {
    const symbol = view.readUInt32LE(relocations.offset + index * 24 + 12);
    const name = strings.offset + view.readUInt32LE(symbols.offset + symbol * 24);
    return view.toString('latin1', name, view.indexOf(0, name));
  });
}
