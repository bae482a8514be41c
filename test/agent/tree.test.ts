/** Files as a stream, to the host's own folders and from them, also from a guest that lies. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeTrees } from '../../src/platform/node/trees.ts';
import type { SourceEntry } from '../../src/platform/trees.ts';
import { readTree, writeTree } from '../../src/service/agent/tree-stream.ts';
import { Random } from '../disk/support/random.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-tree-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function* listed(entries: readonly SourceEntry[]): AsyncGenerator<SourceEntry> {
  yield* entries;
}

async function* bytesOf(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

async function encoded(entries: AsyncIterable<SourceEntry>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  await writeTree(
    entries,
    async (bytes) => {
      expect(bytes.length).toBeLessThanOrEqual(33 * 1024);
      pieces.push(bytes.slice());
    },
    () => {},
  );
  return new Uint8Array(Buffer.concat(pieces));
}

async function receive(stream: Uint8Array, path: string, name = 'copy'): Promise<void> {
  // In pieces, as they come.
  const pieces = Array.from({ length: Math.ceil(stream.length / 1000) }, (_, i) =>
    stream.subarray(i * 1000, (i + 1) * 1000),
  );
  await readTree(bytesOf(...pieces), await nodeTrees.target(path, name), () => {});
}

const entry = (kind: SourceEntry['kind'], name: string, more: Partial<SourceEntry> = {}): SourceEntry => ({
  kind,
  name,
  mode: 0o755,
  seconds: 1_600_000_000,
  sizeBytes: 0,
  ...more,
});
const file = (name: string, text: string, mode = 0o644): SourceEntry =>
  entry('file', name, { mode, sizeBytes: text.length, content: bytesOf(new TextEncoder().encode(text)) });

describe('files as a stream', () => {
  it('come out as they went in: content, modes, times, links, empty folders', async () => {
    const source = join(folder, 'source');
    mkdirSync(join(source, 'a/empty'), { recursive: true });
    const large = new Random(1).bytes(200_000);
    writeFileSync(join(source, 'a/large'), large);
    writeFileSync(join(source, 'Ärger.sh'), '#!/bin/sh\n');
    chmodSync(join(source, 'Ärger.sh'), 0o750);
    writeFileSync(join(source, 'nothing'), '');
    symlinkSync('../nowhere', join(source, 'link'));
    chmodSync(join(source, 'a'), 0o555);
    const skipped: string[] = [];
    const stream = await encoded(nodeTrees.read(source, (path) => skipped.push(path)));
    await receive(stream, join(folder, 'target'));
    const target = join(folder, 'target');
    expect(readFileSync(join(target, 'a/large')).equals(large)).toBe(true);
    expect(lstatSync(join(target, 'Ärger.sh')).mode & 0o777).toBe(0o750);
    expect(lstatSync(join(target, 'a')).mode & 0o777).toBe(0o555);
    expect(readlinkSync(join(target, 'link'))).toBe('../nowhere');
    expect(readdirSync(join(target, 'a/empty'))).toEqual([]);
    expect(readFileSync(join(target, 'nothing')).length).toBe(0);
    expect(Math.floor(lstatSync(join(target, 'a/large')).mtimeMs / 1000)).toBe(
      Math.floor(lstatSync(join(source, 'a/large')).mtimeMs / 1000),
    );
    expect(skipped).toEqual([]);
    for (const each of [source, target]) chmodSync(join(each, 'a'), 0o755);
  });

  it('go into a folder that is there, under their name, and else take the name that is given', async () => {
    mkdirSync(join(folder, 'there'));
    await receive(await encoded(listed([file('', 'one')])), join(folder, 'there'), 'name');
    await receive(await encoded(listed([file('', 'two')])), join(folder, 'new'), 'name');
    expect(readFileSync(join(folder, 'there/name'), 'utf8')).toBe('one');
    expect(readFileSync(join(folder, 'new'), 'utf8')).toBe('two');
    await expect(nodeTrees.target(join(folder, 'missing/'), 'name')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('leave no file in part when the stream ends too early', async () => {
    const stream = await encoded(listed([entry('folder', ''), file('f', 'x'.repeat(50_000))]));
    await expect(receive(stream.subarray(0, 30_000), join(folder, 'target'))).rejects.toMatchObject({
      code: 'damaged',
    });
    expect(readdirSync(join(folder, 'target'))).toEqual([]);
  });

  const hostile: readonly (readonly [string, readonly SourceEntry[]])[] = [
    ['above', [entry('folder', ''), file('../evil', 'x')]],
    ['absolute', [entry('folder', ''), file('/evil', 'x')]],
    ['in a folder that was not sent', [entry('folder', ''), file('a/evil', 'x')]],
    ['through a link that was sent', [entry('folder', ''), entry('link', 'a', { target: '..' }), file('a/evil', 'x')]],
    [
      'through a link that was a folder',
      [entry('folder', ''), entry('folder', 'a'), entry('link', 'a', { target: '..' })],
    ],
    ['twice', [file('', 'x'), file('', 'y')]],
    ['into a file', [file('', 'x'), file('evil', 'x')]],
    ['as the end of a link', [entry('folder', ''), entry('link', 'a', { target: '..' }), entry('folder-end', 'a')]],
    ['with a name of nothing', [entry('folder', ''), file('a//evil', 'x')]],
  ];
  it.each(hostile)('are refused where they would go elsewhere: %s', async (_what, entries) => {
    const inner = join(folder, 'inner/target');
    mkdirSync(join(folder, 'inner'));
    await expect(receive(await encoded(listed(entries)), inner)).rejects.toMatchObject({ code: 'damaged' });
    expect(existsSync(join(folder, 'inner/evil'))).toBe(false);
    expect(readdirSync(folder)).toEqual(['inner']);
  });

  it('do not follow links that are there already', async () => {
    mkdirSync(join(folder, 'outside'));
    mkdirSync(join(folder, 'target'));
    symlinkSync('../outside', join(folder, 'target/sub'));
    symlinkSync('../outside/f', join(folder, 'target/f'));
    const inFolder = await encoded(listed([entry('folder', ''), entry('folder', 'sub'), file('sub/evil', 'x')]));
    await expect(receive(inFolder, join(folder, 'target'), '')).rejects.toMatchObject({ name: 'GodwitError' });
    await receive(await encoded(listed([entry('folder', ''), file('f', 'x')])), join(folder, 'target'), '');
    expect(readdirSync(join(folder, 'outside'))).toEqual([]);
    expect(readFileSync(join(folder, 'target/f'), 'utf8')).toBe('x');
  });

  it.each(Array.from({ length: 30 }, (_, seed) => seed + 1))('are typed errors for junk, seed %i', async (seed) => {
    const random = new Random(seed);
    const stream = await encoded(
      listed([entry('folder', ''), file('f', 'x'.repeat(500)), entry('link', 'l', { target: 't' })]),
    );
    for (let i = 0; i < 20; i++) {
      const damaged = stream.slice();
      for (let n = 1 + random.below(3); n > 0; n--) damaged[random.below(damaged.length)] = random.below(256);
      const failure = await receive(damaged, join(folder, `t${i}`)).catch((error: unknown) => error);
      if (failure) expect(failure).toMatchObject({ name: 'GodwitError' });
      if (failure) expect((failure as { code: string }).code).not.toBe('internal');
    }
  });
});
