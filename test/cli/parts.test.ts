/** Pieces of the command line that need no machine. */
import { expect, it, vi } from 'vitest';
import { parseDiskArgument } from '../../src/cli/disk-argument.ts';
import { reportError } from '../../src/cli/errors.ts';
import { EscapeKeys } from '../../src/cli/escape-keys.ts';
import { ReplayKeys } from '../../src/cli/replay-keys.ts';
import { PlacePrompt } from '../../src/cli/replay-prompt.ts';
import { GodwitError } from '../../src/common/errors.ts';
import { violation } from '../../src/common/invariant.ts';

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

it('takes what a terminal answers to a replayed guest for no keys', () => {
  const keys = new ReplayKeys();
  const feed = (text: string) => keys.feed(new TextEncoder().encode(text));
  expect(feed('a\x1b[10;170Rm')).toEqual(['a', 'm']);
  expect(feed('\x1b[D\x1b[C')).toEqual(['left', 'right']);
  expect(feed('\x1bOD\x1b[A\x1b[1;5D\x1b[3~q')).toEqual(['left', 'q']);
  expect(feed('\x1b')).toEqual(['escape']);
  expect(feed('\x1b[12;')).toEqual([]);
  expect(feed('40R0')).toEqual(['0']);
  expect(feed('\x1bx ')).toEqual([' ']);
});

it('asks for a place in a recording', () => {
  const answer = (typed: string) => {
    const prompt = new PlacePrompt();
    let last: unknown;
    for (const key of typed) last = prompt.key(key);
    return last;
  };
  expect(answer('1m2.5s\r')).toEqual({ kind: 'place', place: { kind: 'time', seconds: 62.5 } });
  expect(answer('#123x\x7f4\r')).toEqual({ kind: 'place', place: { kind: 'branch', branches: 1234n } });
  expect(answer('/login: \r')).toEqual({ kind: 'place', place: { kind: 'text', text: 'login: ', again: true } });
  for (const nothing of ['\r', '12\x03', 'x\x7f\r']) expect(answer(nothing)).toEqual({ kind: 'cancelled' });
  for (const bad of ['soon\r', '#x\r', '#\r']) expect(answer(bad)).toMatchObject({ kind: 'nonsense' });
  expect(answer('/\r')).toMatchObject({ kind: 'nonsense' });
  expect(answer('12')).toEqual({ kind: 'more' });
});

it('says how to see where a mistake of godwit is, and of nothing else', () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const said = (error: unknown): unknown => {
    reportError(error, false);
    return write.mock.lastCall?.[0];
  };
  try {
    expect(said(violation('a page lies in RAM'))).toMatch(
      /^godwit: A mistake in godwit: .*\nRun it again with --debug/,
    );
    expect(said(new TypeError('x'))).toMatch(/^godwit: this is a mistake in godwit: x\nRun it again with --debug/);
    expect(said(new GodwitError('io', 'No.', { hint: 'Try.' }))).toBe('godwit: No.\nTry.\n');
  } finally {
    write.mockRestore();
  }
});
