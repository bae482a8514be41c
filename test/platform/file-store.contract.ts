/**
 * What every FileStore does, whatever host it is of. It needs neither Node.js nor a test framework, so that it can be
 * run wherever a host is: `run` gets an empty folder of the store's, and throws when something is not as it should be.
 */
import type { ByteFile, FileStore } from '../../src/platform/files.ts';

export interface FileStoreCase {
  readonly name: string;
  run(files: FileStore, folder: string): Promise<void>;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function same(found: unknown, expected: unknown): void {
  const [is, shouldBe] = [JSON.stringify(found), JSON.stringify(expected)];
  if (is !== shouldBe) throw new Error(`${is} should be ${shouldBe}.`);
}

async function fails(code: string, attempt: Promise<unknown>): Promise<Error> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) throw new Error(`It should fail with '${code}', and does not.`);
  same([error.name, (error as { code?: unknown }).code], ['GodwitError', code]);
  return error;
}

async function contentOf(files: FileStore, path: string): Promise<string> {
  return textOf(await files.read(path));
}

async function namesIn(files: FileStore, folder: string): Promise<string[]> {
  return (await files.list(folder)).map(({ name }) => name);
}

async function readFrom(file: ByteFile, offset: number, length: number): Promise<string> {
  const into = new Uint8Array(length).fill(0xff);
  await file.read(offset, into);
  return textOf(into);
}

const put = (files: FileStore, path: string, text: string): Promise<number> => files.writeWhole(path, [bytesOf(text)]);

export const FILE_STORE_CASES: readonly FileStoreCase[] = [
  {
    name: 'folders: made with those above, listed by name, removed with all in them',
    async run(files, folder) {
      await files.makeFolder(`${folder}/x/y/z`);
      await files.makeFolder(`${folder}/x/y/z`);
      await put(files, `${folder}/x/b`, 'b');
      await put(files, `${folder}/x/a`, 'a');
      same(await files.list(`${folder}/x`), [
        { name: 'a', kind: 'file' },
        { name: 'b', kind: 'file' },
        { name: 'y', kind: 'folder' },
      ]);
      same((await files.look(`${folder}/x`))?.kind, 'folder');
      await fails('not-found', files.list(`${folder}/absent`));
      await files.removeTree(`${folder}/x`);
      await files.removeTree(`${folder}/x`);
      same(await files.look(`${folder}/x`), undefined);
      await files.syncFolder(folder);
    },
  },
  {
    name: 'what is looked at',
    async run(files, folder) {
      const before = Date.now() - 2000;
      await put(files, `${folder}/a`, '12345');
      await put(files, `${folder}/b`, '12345');
      const [a, b] = [await files.look(`${folder}/a`), await files.look(`${folder}/b`)];
      same([a?.kind, a?.sizeBytes, a?.isProtected], ['file', 5, false]);
      same([a!.modifiedMs >= before, a!.modifiedMs <= Date.now() + 2000], [true, true]);
      same([a?.identity === b?.identity, a?.identity === (await files.look(`${folder}/a`))?.identity], [false, true]);
      same(await files.look(`${folder}/absent`), undefined);
      same(await files.realPath(`${folder}/a`), `${folder}/a`);
      same(files.absolute(`${folder}/./x/../a`), `${folder}/a`);
    },
  },
  {
    name: 'names: given anew, over what has them, and taken away',
    async run(files, folder) {
      await put(files, `${folder}/a`, 'a');
      await put(files, `${folder}/b`, 'b');
      const identity = (await files.look(`${folder}/a`))?.identity;
      await files.rename(`${folder}/a`, `${folder}/b`);
      same([await namesIn(files, folder), await contentOf(files, `${folder}/b`)], [['b'], 'a']);
      same((await files.look(`${folder}/b`))?.identity, identity);
      await files.makeFolder(`${folder}/one`);
      await put(files, `${folder}/one/file`, 'x');
      await files.rename(`${folder}/one`, `${folder}/two`);
      same(await contentOf(files, `${folder}/two/file`), 'x');
      await fails('not-found', files.rename(`${folder}/absent`, `${folder}/c`));
      await files.removeFile(`${folder}/b`);
      await files.removeFile(`${folder}/b`);
      same(await namesIn(files, folder), ['two']);
    },
  },
  {
    name: 'a second name for the same file, or word that there is none',
    async run(files, folder) {
      await put(files, `${folder}/a`, 'content');
      const name = await files.addName(`${folder}/a`, [`${folder}/b`]).catch((error: unknown) => {
        same((error as { code?: unknown }).code, 'unsupported');
      });
      if (name === undefined) return;
      same(name, `${folder}/b`);
      same((await files.look(name))?.identity, (await files.look(`${folder}/a`))?.identity);
      await fails('usage', files.addName(`${folder}/a`, [`${folder}/b`]));
      await fails('not-found', files.addName(`${folder}/absent`, [`${folder}/c`]));
    },
  },
  {
    name: 'protection, which says so until it is taken back',
    async run(files, folder) {
      await put(files, `${folder}/a`, 'content');
      await files.protect(`${folder}/a`, true);
      same((await files.look(`${folder}/a`))?.isProtected, true);
      same(await contentOf(files, `${folder}/a`), 'content');
      await files.protect(`${folder}/a`, false);
      same((await files.look(`${folder}/a`))?.isProtected, false);
      await (await files.open(`${folder}/a`)).close();
    },
  },
  {
    name: 'random access: grows, reads zeros where nothing was written, is cut and made longer',
    async run(files, folder) {
      const path = `${folder}/disk`;
      await fails('not-found', files.open(path));
      const file = await files.open(path, { create: true });
      same([file.name, file.realPath, file.readonly, await file.size()], [path, path, false, 0]);
      same((await files.look(path))?.identity, file.identity);
      await file.write(10, bytesOf('abc'));
      same([await file.size(), await readFrom(file, 9, 6)], [13, '\0abc\0\0']);
      await file.truncate(11);
      await file.truncate(13);
      same(await readFrom(file, 9, 4), '\0a\0\0');
      const punched = await file.punchHole(10, 1);
      same(await readFrom(file, 10, 1), punched ? '\0' : 'a');
      await file.sync();
      await file.close();
      await fails('state', file.size());
      await fails('usage', files.open(path, { create: true }));
      const reader = await files.open(path, { readonly: true });
      await fails('denied', reader.write(0, bytesOf('x')));
      await reader.close();
      await fails('usage', files.open(folder));
    },
  },
  {
    name: 'an open file keeps its content when it gets another name, or loses it',
    async run(files, folder) {
      const file = await files.open(`${folder}/a`, { create: true });
      await file.write(0, bytesOf('first'));
      await files.rename(`${folder}/a`, `${folder}/b`);
      file.movedTo(`${folder}/b`);
      same(file.realPath, `${folder}/b`);
      await file.write(0, bytesOf('F'));
      await file.sync();
      same(await contentOf(files, `${folder}/b`), 'First');
      await files.removeFile(`${folder}/b`);
      same(await readFrom(file, 0, 5), 'First');
      await file.close();
    },
  },
  {
    name: 'open files are locked: one writer or many readers',
    async run(files, folder) {
      const path = `${folder}/a`;
      const writer = await files.open(path, { create: true });
      await fails('locked', files.open(path));
      await fails('locked', files.open(path, { readonly: true }));
      await fails('locked', files.lock(path, 'shared'));
      await writer.share();
      const reader = await files.open(path, { readonly: true });
      await fails('locked', files.lock(path, 'exclusive'));
      await writer.close();
      await fails('locked', files.open(path));
      await reader.close();
      await (await files.open(path)).close();
    },
  },
  {
    name: 'locks: refused at once, or waited for',
    async run(files, folder) {
      const path = `${folder}/lock`;
      await fails('not-found', files.lock(path, 'exclusive'));
      const first = await files.lock(path, 'exclusive', { create: true });
      await fails('locked', files.lock(path, 'exclusive'));
      await fails('locked', files.lock(path, 'shared', { waitMs: 100 }));
      const waiting = files.lock(path, 'exclusive', { waitMs: 60_000 });
      await first.release();
      await (await waiting).release();
      const readers = [await files.lock(path, 'shared'), await files.lock(path, 'shared')];
      await fails('locked', files.lock(path, 'exclusive'));
      for (const reader of readers) await reader.release();
      await (await files.lock(path, 'exclusive')).release();
    },
  },
  {
    name: 'locks: of many that ask at once each has its turn, alone',
    async run(files, folder) {
      let holders = 0;
      let turns = 0;
      const ask = async (): Promise<void> => {
        const lock = await files.lock(`${folder}/lock`, 'exclusive', { waitMs: 60_000, create: true });
        same(++holders, 1);
        await files.look(folder);
        turns++;
        holders--;
        await lock.release();
      };
      await Promise.all(Array.from({ length: 12 }, ask));
      same(turns, 12);
    },
  },
  {
    name: 'for synchronous reading, also when the name is gone',
    async run(files, folder) {
      await put(files, `${folder}/a`, 'content');
      const source = await files.openSource(`${folder}/a`);
      same(source.sizeBytes, 7);
      await files.removeFile(`${folder}/a`);
      const into = new Uint8Array(3);
      source.read(2, into);
      same(textOf(into), 'nte');
      source.close();
      await fails('not-found', files.openSource(`${folder}/a`));
    },
  },
  {
    name: 'a source keeps what it has when another file takes its name',
    async run(files, folder) {
      await put(files, `${folder}/a`, 'first');
      const source = await files.openSource(`${folder}/a`);
      await files.writeWhole(`${folder}/a`, [bytesOf('other')], { replace: true });
      const into = new Uint8Array(5);
      source.read(0, into);
      source.close();
      same([textOf(into), await contentOf(files, `${folder}/a`)], ['first', 'other']);
    },
  },
  {
    name: 'appending is seen by others',
    async run(files, folder) {
      const path = `${folder}/log`;
      const file = await files.openAppend(path);
      await file.append(bytesOf('one '));
      same(await contentOf(files, path), 'one ');
      await file.append(bytesOf('two'));
      await file.sync();
      await file.close();
      same(await contentOf(files, path), 'one two');
      await fails('usage', files.openAppend(path));
      await (await files.openAppend(path, { replace: true })).close();
      same(await contentOf(files, path), '');
    },
  },
  {
    name: 'reading whole files',
    async run(files, folder) {
      await put(files, `${folder}/a`, 'content');
      same(textOf(files.readNow(`${folder}/a`)), 'content');
      await fails('not-found', files.read(`${folder}/absent`));
      await fails('usage', files.read(folder));
      await fails('not-found', (async () => files.readNow(`${folder}/absent`))());
    },
  },
  {
    name: 'whole files: there when all is written, and not before',
    async run(files, folder) {
      const path = `${folder}/whole`;
      const progress: number[] = [];
      const seen: unknown[] = [];
      async function* blocks(): AsyncGenerator<Uint8Array> {
        yield bytesOf('one ');
        seen.push(await files.look(path));
        yield new Uint8Array(0);
        yield bytesOf('two');
      }
      same(await files.writeWhole(path, blocks(), { onProgress: (bytes) => progress.push(bytes) }), 7);
      same([await contentOf(files, path), seen.length, seen[0], progress.at(-1)], ['one two', 1, undefined, 7]);
      const large = new Uint8Array(3_000_001).map((_, at) => at % 251);
      same(await files.writeWhole(`${folder}/large`, [large.subarray(0, 1000), large.subarray(1000)]), large.length);
      const read = await files.read(`${folder}/large`);
      same([read.length, read.findIndex((byte, at) => byte !== large[at])], [large.length, -1]);
      same(await namesIn(files, folder), ['large', 'whole']);
    },
  },
  {
    name: 'whole files: replaced only where that is meant, in one step',
    async run(files, folder) {
      const path = `${folder}/whole`;
      await put(files, path, 'first');
      const error = await fails('usage', put(files, path, 'second'));
      same([await contentOf(files, path), error.message.includes(path)], ['first', true]);
      async function* blocks(): AsyncGenerator<Uint8Array> {
        yield bytesOf('sec');
        same(await contentOf(files, path), 'first');
        yield bytesOf('ond');
      }
      await files.writeWhole(path, blocks(), { replace: true });
      same([await contentOf(files, path), await namesIn(files, folder)], ['second', ['whole']]);
    },
  },
  {
    name: 'whole files: nothing is left when it goes wrong, or nobody wants them any more',
    async run(files, folder) {
      const path = `${folder}/whole`;
      const own = new Error('of the blocks');
      function* broken(): Generator<Uint8Array> {
        yield bytesOf('half');
        throw own;
      }
      const caught = await files.writeWhole(path, broken()).catch((error: unknown) => error);
      same(caught === own, true);
      const signal = { aborted: false };
      function* cancelled(): Generator<Uint8Array> {
        yield bytesOf('half');
        signal.aborted = true;
        yield bytesOf('more');
      }
      await fails('state', files.writeWhole(path, cancelled(), { signal }));
      await put(files, path, 'old');
      await fails('state', files.writeWhole(path, [bytesOf('new')], { replace: true, signal }));
      same([await contentOf(files, path), await namesIn(files, folder)], ['old', ['whole']]);
      const error = await fails('not-found', put(files, `${folder}/absent/file`, 'x'));
      same([error.message.includes(`${folder}/absent/file`), error.message.includes('draft')], [true, false]);
    },
  },
  {
    name: 'whole files by random access',
    async run(files, folder) {
      const path = `${folder}/image`;
      await files.createWhole(path, async (file) => {
        await file.write(4, bytesOf('end'));
        await file.write(0, bytesOf('the '));
        same(await files.look(path), undefined);
      });
      same(await contentOf(files, path), 'the end');
      const fill = (file: ByteFile): Promise<void> => file.write(0, bytesOf('x'));
      await fails('usage', files.createWhole(path, fill));
      same(await contentOf(files, path), 'the end');
      await files.createWhole(`${folder}/other`, fill, { temporary: true });
      const own = new Error('of the filler');
      const caught = await files
        .createWhole(`${folder}/never`, () => Promise.reject(own))
        .catch((error: unknown) => error);
      same([caught === own, await namesIn(files, folder)], [true, ['image', 'other']]);
    },
  },
  {
    name: 'drafts take a name or the place of a file, and stay open',
    async run(files, folder) {
      const path = `${folder}/image`;
      const first = await files.openDraft(path);
      await first.write(0, bytesOf('first'));
      same([first.name, await files.look(path)], [path, undefined]);
      await first.appear();
      same([first.realPath, await contentOf(files, path)], [path, 'first']);
      const second = await files.openDraft(path, { like: path });
      await second.write(0, bytesOf('second'));
      await fails('usage', second.appear());
      await second.replace();
      await second.write(0, bytesOf('S'));
      same([await contentOf(files, path), await readFrom(first, 0, 5)], ['Second', 'first']);
      await fails('locked', files.open(path));
      await second.discard();
      await second.discard();
      await first.discard();
      await (await files.openDraft(path)).discard();
      same([await contentOf(files, path), await namesIn(files, folder)], ['Second', ['image']]);
    },
  },
  {
    name: 'drafts that are being filled are not swept',
    async run(files, folder) {
      const draft = await files.openDraft(`${folder}/image`);
      await draft.write(0, bytesOf('x'));
      await files.sweepDrafts(folder, 'image');
      await files.sweepDrafts(folder);
      await draft.appear();
      await draft.discard();
      same(await namesIn(files, folder), ['image']);
    },
  },
  {
    name: 'temporary folders',
    async run(files, folder) {
      const temporary = await files.makeTemporaryFolder();
      const other = await files.makeTemporaryFolder();
      same(
        [temporary === other, files.isTemporary(`${temporary}/a`), files.isTemporary(`${folder}/a`)],
        [false, true, false],
      );
      await put(files, `${temporary}/a`, 'x');
      await files.removeTree(temporary);
      await files.removeTree(other);
      same(await files.look(temporary), undefined);
    },
  },
];
