import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HEADER } from '../../src/checkpoint/container/layout.ts';
import { MachineCore } from '../../src/machine/core.ts';
import { nodeCodec } from '../../src/platform/node/codec.ts';
import { CheckpointStore } from '../../src/service/checkpoint/store/index.ts';
import { openBytes, replayAll } from '../recording/opened.ts';
import { type Expected, FILES, goOn } from './golden.ts';

const HERE = import.meta.dirname;
const BOARDS = readdirSync(HERE, { withFileTypes: true }).filter((entry) => entry.isDirectory());
const NAME = 'golden';
const MANIFEST = 'checkpoint.json';

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'godwit-golden-'));
});
afterAll(() => rmSync(work, { recursive: true }));

const read = (...path: string[]) => new Uint8Array(readFileSync(join(...path)));

/** The same file with another version in its header. */
function ofVersion(file: Uint8Array, change: number): Uint8Array {
  const bytes = file.slice();
  const view = new DataView(bytes.buffer);
  view.setUint32(HEADER.version, view.getUint32(HEADER.version, true) + change, true);
  view.setUint32(HEADER.checksum, nodeCodec.crc32(bytes.subarray(0, HEADER.checksum)), true);
  return bytes;
}

function damaged(file: Uint8Array, at: number): Uint8Array {
  return file.map((byte, index) => (index === at ? byte ^ 0x10 : byte));
}

const text = (content: string) => new TextEncoder().encode(content);

/** Files that people may give by mistake, and what is said of them. */
const FOREIGN: readonly (readonly [Uint8Array, string])[] = [
  [text('just some text\n'), 'but a text'],
  [new Uint8Array(0), 'but an empty file'],
  [new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), 'but a file compressed with gzip'],
  [new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]), 'but an ELF file'],
  [new Uint8Array([0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3]), 'but the state of a QEMU machine'],
  [new Uint8Array([0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3]), 'but a qcow2 disk'],
  [new Uint8Array(100).fill(200), 'of godwit'],
];
const NEWER = { code: 'unsupported', message: expect.stringContaining('was made by a newer godwit') };
const OLDER = { code: 'unsupported', message: expect.stringContaining('was made by an older godwit (format 1)') };
const DAMAGED = { code: 'damaged', message: expect.stringContaining('damaged') };
const foreign = (is: string) => ({ code: 'unsupported', message: expect.stringContaining(is) });

describe.each(BOARDS.map(({ name }) => name))('the golden files of %s', (board) => {
  const folder = join(HERE, board);
  const expected = JSON.parse(readFileSync(join(folder, FILES.expected), 'utf8')) as Expected;

  async function copyOfStore(): Promise<{ store: CheckpointStore; folder: string }> {
    const copy = mkdtempSync(join(work, 'store-'));
    cpSync(join(folder, FILES.store), copy, { recursive: true });
    return { store: await CheckpointStore.open({ folder: copy }), folder: copy };
  }

  async function expectGolden(store: CheckpointStore): Promise<void> {
    const { meta, state, pages } = await store.openCheckpoint(NAME);
    expect(meta).toMatchObject({ board, name: NAME });
    const printed: number[] = [];
    const core = await MachineCore.restore(
      {
        memoryBytes: meta.memoryBytes,
        seed: new Uint8Array(32),
        load: () => {},
        output: (_port, bytes) => printed.push(...bytes),
        disks: meta.disks.map(({ sizeBytes, readonly }) => {
          return { sizeBytes, readonly, serial: 'recorded', backend: { submit: () => {}, fence: () => {} } };
        }),
      },
      state,
      pages,
    );
    expect(core.board.version.name).toBe(board);
    expect(core.point).toEqual(meta.point);
    expect(core.digest().toString()).toBe(expected.checkpoint.digest);
    const { digest: _, ...end } = expected.checkpoint;
    expect(goOn(core, () => String.fromCharCode(...printed))).toEqual(end);
    core.dispose();
    pages.close();
  }

  it('replay to the recorded digests', async () => {
    const recording = openBytes(read(folder, FILES.recording));
    expect(recording.start.board).toBe(board);
    expect(recording.notice).toBeUndefined();
    const { printed, digest, checked, finish } = await replayAll(recording);
    expect({ printed, digest: digest.toString(), digests: checked }).toEqual(expected.recording);
    expect(finish).toEqual({ kind: 'pass', code: 0 });
  });

  it('restore to the recorded digests, and go on as they did', async () => {
    const { store } = await copyOfStore();
    expect(await store.verify(NAME)).toMatchObject({ problems: [] });
    await expectGolden(store);
  });

  it('are imported, and go on alike', async () => {
    const store = await CheckpointStore.open({ folder: mkdtempSync(join(work, 'import-')) });
    await store.import(join(folder, FILES.archive));
    await expectGolden(store);
  });

  it('say what is wrong with a recording that is newer, older, damaged or none', () => {
    const file = read(folder, FILES.recording);
    expect(() => openBytes(ofVersion(file, 1))).toThrow(expect.objectContaining(NEWER));
    expect(() => openBytes(ofVersion(file, 1 - versionOf(file)))).toThrow(expect.objectContaining(OLDER));
    expect(() => openBytes(damaged(file, HEADER.version))).toThrow(expect.objectContaining(DAMAGED));
    expect(() => openBytes(damaged(file, 100))).toThrow(expect.objectContaining({ code: 'damaged' }));
    for (const [bytes, is] of FOREIGN) expect(() => openBytes(bytes)).toThrow(expect.objectContaining(foreign(is)));
    expect(() => openBytes(read(folder, FILES.archive))).toThrow(/is not a recording, but a checkpoint of godwit/);
  });

  it('say what is wrong with an archive that is newer, older, damaged or none', async () => {
    const file = read(folder, FILES.archive);
    const store = await CheckpointStore.open({ folder: mkdtempSync(join(work, 'import-')) });
    const path = join(work, 'changed.godwit');
    const importing = (bytes: Uint8Array) => {
      writeFileSync(path, bytes);
      return expect(store.import(path)).rejects;
    };
    await importing(ofVersion(file, 1)).toMatchObject(NEWER);
    await importing(ofVersion(file, 1 - versionOf(file))).toMatchObject(OLDER);
    for (const at of [HEADER.version, 100, file.length - 20]) await importing(damaged(file, at)).toMatchObject(DAMAGED);
    for (const [bytes, is] of FOREIGN) await importing(bytes).toMatchObject(foreign(is));
    await importing(read(folder, FILES.recording)).toMatchObject(foreign('but a recording of godwit'));
  });

  it('say what is wrong with a checkpoint that is newer, older, damaged or none', async () => {
    const { store, folder: copy } = await copyOfStore();
    const path = join(copy, idIn(copy), 'machine.godwit');
    const file = read(path);
    const opening = (bytes: Uint8Array) => {
      chmodSync(path, 0o600);
      writeFileSync(path, bytes);
      return expect(store.openCheckpoint(NAME)).rejects;
    };
    await opening(ofVersion(file, 1)).toMatchObject(NEWER);
    await opening(ofVersion(file, 1 - versionOf(file))).toMatchObject(OLDER);
    for (const at of [HEADER.version, 100, file.length - 20]) await opening(damaged(file, at)).toMatchObject(DAMAGED);
    // What stands there was a checkpoint.
    for (const [bytes, is] of FOREIGN) await opening(bytes).toMatchObject({ ...foreign(is), code: 'damaged' });
  });

  it('say what is wrong with a manifest that is newer, older, damaged or none', async () => {
    const { store, folder: copy } = await copyOfStore();
    const path = join(copy, idIn(copy), MANIFEST);
    const whole = readFileSync(path, 'utf8');
    const problem = async (content: string | Uint8Array) => {
      writeFileSync(path, content);
      return (await store.list())[0]!.problem;
    };
    const { format, checksum: _, checkpoint } = JSON.parse(whole);
    const signed = (change: object) => {
      const changed = { ...checkpoint, ...change };
      const body = JSON.stringify(changed);
      const checksum = nodeCodec.crc32(text(body)).toString(16).padStart(8, '0');
      return JSON.stringify({ format, checksum, checkpoint: changed });
    };
    expect(await problem(whole)).toBeUndefined();
    expect(await problem(whole.replace(`"format": ${format}`, `"format": ${format + 1}`))).toMatch(/newer godwit/);
    expect(await problem(whole.replace(`"format": ${format}`, '"format": 1'))).toMatch(/older godwit \(format 1\)/);
    expect(await problem(signed({ site: 'x' }))).toMatch(/newer godwit: it has "site"/);
    expect(await problem(signed({ 'site?': 'x' }))).toBeUndefined();
    expect(await problem(whole.replace('"removed": false', '"removed": true'))).toMatch(/is damaged/);
    expect(await problem(whole.slice(0, 100))).toMatch(/is damaged/);
    expect(await problem('{ "name": "a package" }')).toMatch(/is not a manifest of a checkpoint of godwit/);
    for (const [bytes, is] of FOREIGN) expect(await problem(bytes)).toContain(is);
  });
});

function versionOf(file: Uint8Array): number {
  return new DataView(file.buffer, file.byteOffset).getUint32(HEADER.version, true);
}

function idIn(store: string): string {
  return readdirSync(store).find((name) => /^[0-9a-f]{16}$/.test(name))!;
}
