/** Pieces of the command line that need no machine. */
import { expect, it } from 'vitest';
import { parseDiskArgument } from '../../src/cli/disk-argument.ts';
import { EscapeKeys } from '../../src/cli/escape-keys.ts';

it('reads disks', () => {
  expect(parseDiskArgument('d.img')).toEqual({ path: 'd.img' });
  expect(parseDiskArgument('a,,b,readonly,format=raw,serial=x=1')).toEqual({
    path: 'a,b',
    readonly: true,
    format: 'raw',
    serial: 'x=1',
  });
  expect(parseDiskArgument('a,,,readonly')).toEqual({ path: 'a,', readonly: true });
  for (const bad of ['', ',readonly', 'a,', 'a,format=vmdk', 'a,readonly=1', 'a,b']) {
    expect(() => parseDiskArgument(bad), bad).toThrow(/--disk/);
  }
});

it('takes escapes out of what is typed, wherever it is cut', () => {
  const typed = 'ab\x01\x01c\x01hd\x01zx\x01Xe';
  for (let cut = 0; cut <= typed.length; cut++) {
    const keys = new EscapeKeys();
    const parts = [typed.slice(0, cut), typed.slice(cut)].flatMap((part) => keys.feed(new TextEncoder().encode(part)));
    const text = parts
      .map((part) => (part.kind === 'bytes' ? new TextDecoder().decode(part.bytes) : `<${part.command}>`))
      .join('');
    expect(text, `cut at ${cut}`).toBe('ab\x01c<help>dx<quit>e');
  }
});
