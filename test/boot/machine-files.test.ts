import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MachineFiles } from '../../src/service/machine/machine-files.ts';

describe('the files that a machine boots from', () => {
  let folder = '';
  const path = (name: string): string => join(folder, name);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'godwit-files-'));
    writeFileSync(path('kernel'), 'first kernel');
    writeFileSync(path('initrd'), new Uint8Array(100_000).fill(7));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const open = () =>
    MachineFiles.open({ kernel: path('kernel'), initrd: path('initrd'), bootArguments: 'console=ttyS0' });
  const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes?.slice());

  it('are read again each time', async () => {
    const files = await open();
    for (let i = 0; i < 2; i++) {
      const { kernel, initrd, bios, bootArguments } = files.read();
      expect(text(kernel)).toBe('first kernel');
      expect([initrd?.length, initrd?.every((byte) => byte === 7)]).toEqual([100_000, true]);
      expect([bios, bootArguments]).toEqual([undefined, 'console=ttyS0']);
    }
    files.close();
  });

  it('stay what they were when others take their place', async () => {
    const files = await open();
    writeFileSync(path('new'), 'second kernel');
    renameSync(path('new'), path('kernel'));
    rmSync(path('initrd'));
    expect(text(files.read().kernel)).toBe('first kernel');
    expect(files.read().initrd?.length).toBe(100_000);
    files.close();
  });

  it('are refused when somebody wrote to them', async () => {
    const files = await open();
    writeFileSync(path('kernel'), 'other kernel'); // of the same length
    expect(() => files.read()).toThrow(
      expect.objectContaining({
        code: 'state',
        message: expect.stringContaining(`wrote to the kernel ${path('kernel')}`),
      }),
    );
    files.close();
  });

  it('are refused when they became shorter', async () => {
    const files = await open();
    writeFileSync(path('initrd'), 'x');
    expect(() => files.read()).toThrow(expect.objectContaining({ code: 'state' }));
    files.close();
  });

  it('are closed once, and not at all when one of them is missing', async () => {
    const files = await open();
    files.close();
    files.close();
    rmSync(path('initrd'));
    await expect(open()).rejects.toThrow(expect.objectContaining({ code: 'not-found' }));
  });

  it('may be given as content', async () => {
    const kernel = new Uint8Array([1, 2, 3]);
    const files = await MachineFiles.open({ kernel });
    expect(files.read().kernel).toBe(kernel);
    files.close();
  });
});
