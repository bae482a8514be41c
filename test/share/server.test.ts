/** The 9P server on real folders: what it does, what it refuses, and what it makes of anything. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ShareServer } from '../../src/backend/share/server.ts';
import { FidTable } from '../../src/common/9p/fid-table.ts';
import { nodeSharedFolders } from '../../src/platform/node/shared-folder.ts';
import { forSeeds, type Random } from '../device/doubles.ts';
import { Answer, Client, data, message, NO_FID, ROOT, s, T, u8, u16, u32, u64 } from './client.ts';

const ENOENT = 2;
const EBADF = 9;
const EACCES = 13;
const EEXIST = 17;
const ENOTDIR = 20;
const EISDIR = 21;
const EINVAL = 22;
const EROFS = 30;
const ENAMETOOLONG = 36;
const ENOTEMPTY = 39;
const ELOOP = 40;
const EOPNOTSUPP = 95;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;

describe.skipIf(process.platform !== 'linux')('a shared folder', { timeout: 120_000 }, () => {
  let base = '';
  let root = '';
  const servers: ShareServer[] = [];
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'godwit-share-'));
    root = join(base, 'root');
    mkdirSync(root);
    mkdirSync(join(base, 'outside'));
    writeFileSync(join(base, 'outside', 'secret'), 'secret');
  });
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
    rmSync(base, { recursive: true, force: true });
  });

  async function serve(options: { readonly?: boolean; session?: FidTable } = {}) {
    const { readonly = false, session } = options;
    const folder = await nodeSharedFolders.open(root);
    const server = new ShareServer({ folder, readonly, ...(session && { session }) });
    servers.push(server);
    /** As the device follows it. */
    const followed = session?.copy() ?? new FidTable();
    const send = async (request: Uint8Array): Promise<Uint8Array> => {
      const reply = await server.answer(request, 65_536);
      followed.apply(request, reply);
      return reply;
    };
    return { server, client: new Client(send), send, followed };
  }

  async function session(options: { readonly?: boolean } = {}) {
    const served = await serve(options);
    await served.client.begin();
    return served;
  }

  it('agrees on a version and a size', async () => {
    const { client } = await serve();
    const answer = await client.ask('version', u32(1 << 30), s('9P2000.L'));
    expect([answer.u32(), answer.s()]).toEqual([512 * 1024, '9P2000.L']);
    const old = await client.ask('version', u32(8192), s('9P2000'));
    expect([old.u32(), old.s()]).toEqual([8192, 'unknown']);
    expect(await client.errno('version', u32(4095), s('9P2000.L'))).toBe(EINVAL);
    expect(await client.errno('auth', u32(5), s('root'), s(''), u32(0))).toBe(EOPNOTSUPP);
  });

  it('reads and writes files, and shows the attributes of Linux', async () => {
    writeFileSync(join(root, 'file'), 'content');
    chmodSync(join(root, 'file'), 0o640);
    const { client } = await session();
    expect(await client.readAll('file')).toBe('content');
    const fid = await client.open('file', O_RDWR);
    expect((await client.ask('write', u32(fid), u64(3), u32(2), data(Buffer.from('XY')))).u32()).toBe(2);
    expect(readFileSync(join(root, 'file'), 'utf8')).toBe('conXYnt');
    const stats = statSync(join(root, 'file'), { bigint: true });
    const attributes = await client.ask('getattr', u32(fid), u64(0x7ff));
    expect(attributes.u64() & 0x7ffn).toBe(0x7ffn);
    expect(attributes.qid().kind).toBe(0);
    // Of the user that runs this: root's, to the guest.
    expect([attributes.u32(), attributes.u32(), attributes.u32()]).toEqual([0o100640, 0, 0]);
    expect([attributes.u64(), attributes.u64(), attributes.u64()]).toEqual([1n, 0n, 7n]);
    expect([attributes.u64(), attributes.u64()]).toEqual([stats.blksize, stats.blocks]);
    const times = [attributes.u64(), attributes.u64(), attributes.u64(), attributes.u64()];
    expect(times[2]! * 1_000_000_000n + times[3]!).toBe(stats.mtimeNs);
    // Beyond the end of the file there is nothing; further than a file can be, nothing is asked for.
    expect((await client.ask('read', u32(fid), u64(100), u32(10))).u32()).toBe(0);
    expect(await client.errno('read', u32(fid), u64(2n ** 63n), u32(10))).toBe(27);
    // What the host appends is there at once.
    writeFileSync(join(root, 'file'), 'longer content');
    const again = await client.ask('read', u32(fid), u64(0), u32(100));
    expect(again.data(again.u32()).toString()).toBe('longer content');
  });

  it('creates, cuts, appends and removes', async () => {
    const { client } = await session();
    const created = await client.walk('');
    const flags = O_WRONLY | O_CREAT | O_EXCL;
    expect(await client.errno('lcreate', u32(created), s('new'), u32(flags), u32(0o4755), u32(0))).toBe(0);
    expect(await client.errno('write', u32(created), u64(0), u32(3), data(Buffer.from('abc')))).toBe(0);
    // No program that runs as somebody else.
    expect(statSync(join(root, 'new')).mode & 0o7000).toBe(0);
    const again = await client.walk('');
    expect(await client.errno('lcreate', u32(again), s('new'), u32(flags), u32(0o644), u32(0))).toBe(EEXIST);
    expect(await client.errno('lcreate', u32(again), s('new'), u32(O_WRONLY | O_CREAT), u32(0o644), u32(0))).toBe(0);
    const appending = await client.open('new', O_WRONLY | O_APPEND);
    expect(await client.errno('write', u32(appending), u64(0), u32(1), data(Buffer.from('d')))).toBe(0);
    expect(readFileSync(join(root, 'new'), 'utf8')).toBe('abcd');
    await client.open('new', O_WRONLY | O_TRUNC);
    expect(statSync(join(root, 'new')).size).toBe(0);
    expect(await client.errno('unlinkat', u32(ROOT), s('new'), u32(0x200))).toBe(ENOTDIR);
    expect(await client.errno('unlinkat', u32(ROOT), s('new'), u32(0))).toBe(0);
    expect(readdirSync(root)).toEqual([]);
    // What is open can still be used.
    expect(await client.errno('write', u32(created), u64(0), u32(3), data(Buffer.from('abc')))).toBe(0);
    expect(await client.errno('getattr', u32(created), u64(0x7ff))).toBe(0);
    expect(await client.errno('getattr', u32(again), u64(0x7ff))).toBe(0);
  });

  it('sets attributes', async () => {
    writeFileSync(join(root, 'file'), 'content');
    const { client } = await session();
    const fid = await client.walk('file');
    const set = (valid: number, mode = 0, size = 0n, atime = 0n, mtime = 0n) =>
      client.errno(
        'setattr',
        ...[u32(fid), u32(valid), u32(mode), u32(1234), u32(1234), u64(size)],
        ...[u64(atime), u64(500_000_000), u64(mtime), u64(250_000_000)],
      );
    expect(await set(0x1, 0o100600)).toBe(0);
    expect(statSync(join(root, 'file')).mode & 0o7777).toBe(0o600);
    expect(await set(0x8, 0, 3n)).toBe(0);
    expect(readFileSync(join(root, 'file'), 'utf8')).toBe('con');
    expect(await set(0x1b0, 0, 0n, 1000n, 2000n)).toBe(0);
    const stats = statSync(join(root, 'file'), { bigint: true });
    expect([stats.atimeNs, stats.mtimeNs]).toEqual([1_000_500_000_000n, 2_000_250_000_000n]);
    // The other time stays.
    expect(await set(0x20)).toBe(0);
    const later = statSync(join(root, 'file'), { bigint: true });
    expect(later.atimeNs).toBe(1_000_500_000_000n);
    expect(later.mtimeNs).toBeGreaterThan(1_000_000_000_000_000_000n);
    // Owners stay as they are, and nobody is told off.
    expect(await set(0x6)).toBe(0);
    expect(statSync(join(root, 'file')).uid).toBe(process.getuid?.());
    expect(await set(0x8, 0, 2n ** 63n)).toBe(27);
  });

  it('makes folders, links and names', async () => {
    const { client } = await session();
    expect(await client.errno('mkdir', u32(ROOT), s('a'), u32(0o755), u32(0))).toBe(0);
    expect(await client.errno('mkdir', u32(ROOT), s('a'), u32(0o755), u32(0))).toBe(EEXIST);
    writeFileSync(join(root, 'a', 'file'), 'x');
    expect(await client.errno('symlink', u32(ROOT), s('ln'), s('/etc/passwd'), u32(0))).toBe(0);
    expect(readlinkSync(join(root, 'ln'))).toBe('/etc/passwd');
    expect((await client.ask('readlink', u32(await client.walk('ln')))).s()).toBe('/etc/passwd');
    expect(await client.errno('link', u32(ROOT), u32(await client.walk('a/file')), s('second'))).toBe(0);
    expect(statSync(join(root, 'second')).nlink).toBe(2);
    expect(await client.errno('unlinkat', u32(ROOT), s('a'), u32(0))).toBeGreaterThan(0);
    expect(await client.errno('unlinkat', u32(ROOT), s('a'), u32(0x200))).toBe(ENOTEMPTY);
    const a = await client.walk('a');
    const inA = await client.walk('a/file');
    expect(await client.errno('renameat', u32(ROOT), s('a'), u32(ROOT), s('b'))).toBe(0);
    // Numbers for what was moved go with it.
    expect(await client.errno('getattr', u32(a), u64(0x7ff))).toBe(0);
    expect(await client.errno('getattr', u32(inA), u64(0x7ff))).toBe(0);
    expect(await client.errno('rename', u32(inA), u32(ROOT), s('moved'))).toBe(0);
    expect(readdirSync(root).sort()).toEqual(['b', 'ln', 'moved', 'second']);
    expect(await client.errno('mknod', u32(ROOT), s('plain'), u32(0o100644), u32(0), u32(0), u32(0))).toBe(0);
    expect(await client.errno('mknod', u32(ROOT), s('pipe'), u32(0o10644), u32(0), u32(0), u32(0))).toBe(1);
    expect(await client.errno('mknod', u32(ROOT), s('disk'), u32(0o60644), u32(8), u32(0), u32(0))).toBe(1);
    expect(await client.errno('remove', u32(await client.walk('plain')))).toBe(0);
    expect(existsSync(join(root, 'plain'))).toBe(false);
  });

  it('lists folders of any size in any portions, with names of any bytes', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `name-${i}-${'x'.repeat(i % 40)}`);
    for (const name of names) writeFileSync(join(root, name), '');
    const odd = Buffer.from([0x66, 0xff, 0xfe, 0x0a, 0x20]);
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), odd]), 'odd');
    const { client } = await session();
    const all = ['.', '..', ...names].sort();
    for (const count of [200, 1000, 60_000]) {
      const listed = (await client.list('', count)).filter((name) => !name.startsWith('f'));
      expect(listed.sort()).toEqual(all);
    }
    const fid = 50;
    expect(await client.errno('walk', u32(ROOT), u32(fid), u16(1), s(new Uint8Array(odd)))).toBe(0);
    expect(await client.errno('lopen', u32(fid), u32(0))).toBe(0);
    const answer = await client.ask('read', u32(fid), u64(0), u32(10));
    expect(answer.data(answer.u32()).toString()).toBe('odd');
    // A listing goes on where it was, also from a place that there is not.
    const folder = await client.open('');
    expect((await client.ask('readdir', u32(folder), u64(2n ** 64n - 1n), u32(4096))).u32()).toBe(0);
    expect(await client.errno('readdir', u32(ROOT), u64(0), u32(4096))).toBe(EBADF);
  });

  it('says how much space there is, flushes, and locks', async () => {
    writeFileSync(join(root, 'file'), 'x');
    const { client } = await session();
    const space = await client.ask('statfs', u32(ROOT));
    expect(space.u32()).toBe(0x01021997);
    expect(space.u32()).toBeGreaterThan(0);
    expect(space.u64()).toBeGreaterThan(0n);
    const fid = await client.open('file', O_RDWR);
    expect(await client.errno('fsync', u32(fid), u32(0))).toBe(0);
    expect(await client.errno('fsync', u32(fid), u32(1))).toBe(0);
    expect(await client.errno('fsync', u32(ROOT), u32(0))).toBe(0);
    const lock = [u8(1), u32(0), u64(0), u64(0), u32(7), s('host')];
    expect((await client.ask('lock', u32(fid), ...lock)).u8()).toBe(0);
    const found = await client.ask('getlock', u32(fid), u8(1), u64(5), u64(6), u32(7), s('host'));
    expect([found.u8(), found.u64(), found.u64(), found.u32(), found.s()]).toEqual([2, 5n, 6n, 7, 'host']);
    expect(await client.errno('xattrwalk', u32(fid), u32(77), s('user.x'))).toBe(EOPNOTSUPP);
    expect(await client.errno('xattrcreate', u32(fid), s('user.x'), u64(1), u32(0))).toBe(EOPNOTSUPP);
    expect(await client.errno('flush', u16(3))).toBe(0);
  });

  it('changes nothing when it is read-only', async () => {
    mkdirSync(join(root, 'a'));
    writeFileSync(join(root, 'a', 'file'), 'content');
    const before = stateOf(join(root, 'a', 'file'));
    const { client } = await session({ readonly: true });
    expect(await client.readAll('a/file')).toBe('content');
    const [folder, file] = [await client.walk('a'), await client.walk('a/file')];
    const errors = [
      await client.errno('lopen', u32(file), u32(O_RDWR)),
      await client.errno('lopen', u32(file), u32(O_WRONLY)),
      await client.errno('lopen', u32(file), u32(O_TRUNC)),
      await client.errno('lcreate', u32(folder), s('new'), u32(O_WRONLY), u32(0o644), u32(0)),
      await client.errno('mkdir', u32(folder), s('new'), u32(0o755), u32(0)),
      await client.errno('symlink', u32(folder), s('new'), s('x'), u32(0)),
      await client.errno('mknod', u32(folder), s('new'), u32(0o100644), u32(0), u32(0), u32(0)),
      await client.errno('link', u32(folder), u32(file), s('new')),
      await client.errno('rename', u32(file), u32(ROOT), s('new')),
      await client.errno('renameat', u32(folder), s('file'), u32(ROOT), s('new')),
      await client.errno('unlinkat', u32(folder), s('file'), u32(0)),
      await client.errno('setattr', u32(file), u32(1), u32(0), u32(0), u32(0), ...Array(5).fill(u64(0))),
      await client.errno('write', u32(file), u64(0), u32(1), data(Buffer.from('x'))),
      await client.errno('remove', u32(file)),
    ];
    expect(errors).toEqual(errors.map(() => EROFS));
    expect(stateOf(join(root, 'a', 'file'))).toBe(before);
    expect(readdirSync(join(root, 'a'))).toEqual(['file']);
  });

  it('gives links as links, and follows none', async () => {
    symlinkSync('/etc', join(root, 'etc'));
    symlinkSync('../outside', join(root, 'out'));
    symlinkSync('/etc/passwd', join(root, 'passwd'));
    mkdirSync(join(root, 'sub'));
    const { client } = await session();
    expect((await client.ask('getattr', u32(await client.walk('etc')), u64(0x7ff))).bytes[15]).toBe(0x02);
    for (const path of ['etc/passwd', 'out/secret']) await expect(client.walk(path)).rejects.toThrow(`errno ${ENOENT}`);
    for (const path of ['etc', 'out', 'passwd']) {
      await expect(client.open(path)).rejects.toThrow(`errno ${ELOOP}`);
      const fid = await client.walk(path);
      expect(await client.errno('lcreate', u32(fid), s('new'), u32(O_WRONLY), u32(0o644), u32(0))).toBe(ENOTDIR);
      expect(await client.errno('mkdir', u32(fid), s('new'), u32(0o755), u32(0))).toBe(ENOTDIR);
      expect(await client.errno('unlinkat', u32(fid), s('secret'), u32(0))).toBe(ENOTDIR);
      expect(
        await client.errno('setattr', u32(fid), u32(1), u32(0o777), u32(0), u32(0), ...Array(5).fill(u64(0))),
      ).toBe(EOPNOTSUPP);
      expect(await client.errno('setattr', u32(fid), u32(8), u32(0), u32(0), u32(0), ...Array(5).fill(u64(0)))).toBe(
        ELOOP,
      );
    }
    // Creating a file where a link is follows it neither.
    expect(
      await client.errno('lcreate', u32(await client.walk('')), s('passwd'), u32(O_WRONLY), u32(0o644), u32(0)),
    ).toBe(ELOOP);
    expect(readFileSync(join(base, 'outside', 'secret'), 'utf8')).toBe('secret');
  });

  it('stays in the folder', async () => {
    mkdirSync(join(root, 'a/b'), { recursive: true });
    const { client } = await session();
    const qid = async (path: string): Promise<bigint> => {
      const answer = await client.ask('getattr', u32(await client.walk(path)), u64(0x7ff));
      answer.u64();
      return answer.qid().path;
    };
    const top = await qid('');
    for (const path of ['..', '../..', 'a/..', 'a/b/../..', 'a/../..']) expect(await qid(path)).toBe(top);
    await expect(client.walk('../outside')).rejects.toThrow(`errno ${ENOENT}`);
    const refused = ['..', '.', '', 'a/b', '../outside/x', 'x\0y'];
    for (const name of refused) {
      expect(await client.errno('mkdir', u32(ROOT), s(name), u32(0o755), u32(0))).toBe(EINVAL);
      expect(await client.errno('unlinkat', u32(ROOT), s(name), u32(0x200))).toBe(EINVAL);
      expect(await client.errno('renameat', u32(ROOT), s('a'), u32(ROOT), s(name))).toBe(EINVAL);
      expect(await client.errno('lcreate', u32(await client.walk('')), s(name), u32(1), u32(0o644), u32(0))).toBe(
        EINVAL,
      );
    }
    for (const name of ['.', '', 'a/b', 'a\0']) {
      expect(await client.errno('walk', u32(ROOT), u32(9999), u16(1), s(name))).toBe(ENOENT);
    }
    expect(await client.errno('mkdir', u32(ROOT), s('x'.repeat(256)), u32(0o755), u32(0))).toBe(ENAMETOOLONG);
    // The folder itself has no name that could be changed.
    expect(await client.errno('rename', u32(ROOT), u32(await client.walk('a')), s('x'))).toBeGreaterThan(0);
    expect(readdirSync(base).sort()).toEqual(['outside', 'root']);
  });

  it('opens neither pipes nor sockets nor devices', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')]);
    const { client } = await session();
    expect(await client.list('')).toContain('pipe');
    for (const flags of [0, O_WRONLY, O_RDWR, O_TRUNC]) {
      await expect(client.open('pipe', flags)).rejects.toThrow(`errno ${EACCES}`);
    }
    expect(
      await client.errno('lcreate', u32(await client.walk('')), s('pipe'), u32(O_WRONLY), u32(0o644), u32(0)),
    ).toBe(EACCES);
  });

  it('lets nothing out while somebody swaps folders for links', async () => {
    const inside = join(root, 'work');
    mkdirSync(inside);
    for (const name of ['secret', 'own']) writeFileSync(join(inside, name), 'inside');
    writeFileSync(join(root, 'moving'), 'inside');
    const { client } = await session();
    // Another process changes what has the name, as quickly as it can.
    const swapping = `
      const { renameSync, symlinkSync } = require('node:fs');
      const [work, aside, link] = ['work', 'aside', 'link'].map((name) => ${JSON.stringify(`${root}/`)} + name);
      symlinkSync('../outside', link);
      const end = Date.now() + 4000;
      while (Date.now() < end) {
        renameSync(work, aside);
        renameSync(link, work);
        renameSync(work, link);
        renameSync(aside, work);
      }`;
    const { spawn } = await import('node:child_process');
    const swapper = spawn(process.execPath, ['-e', swapping], { stdio: 'inherit' });
    const ended = new Promise((resolve) => swapper.on('exit', resolve));
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    let [reads, refusals] = [0, 0];
    while (!isOver) {
      // What is served here takes no turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      for (const path of ['work/secret', 'work/own']) {
        try {
          const text = await client.readAll(path);
          expect(text).toBe('inside');
          reads++;
        } catch (error) {
          if (!String(error).includes('errno')) throw error;
          refusals++;
        }
      }
      const folder = await client.walk('work').catch(() => undefined);
      if (folder === undefined) continue;
      await client.ask('lcreate', u32(folder), s('written'), u32(O_WRONLY | O_TRUNC), u32(0o644), u32(0));
      await client.ask('unlinkat', u32(folder), s('written'), u32(0));
      await client.ask('mkdir', u32(folder), s('made'), u32(0o755), u32(0));
      await client.ask('clunk', u32(folder));
      await client.ask('renameat', u32(ROOT), s('moving'), u32(folder), s('moved'));
    }
    expect(await ended).toBe(0);
    expect(reads).toBeGreaterThan(0);
    expect(refusals).toBeGreaterThan(0);
    expect(readdirSync(join(base, 'outside'))).toEqual(['secret']);
    expect(readFileSync(join(base, 'outside', 'secret'), 'utf8')).toBe('secret');
  });

  it('bounds what a guest can have open', async () => {
    writeFileSync(join(root, 'file'), 'x');
    const { client, followed } = await session();
    let errno = 0;
    let count = 0;
    for (; errno === 0 && count < 2000; count++) {
      await client.errno('walk', u32(ROOT), u32(10_000 + count), u16(1), s('file'));
      errno = await client.errno('lopen', u32(10_000 + count), u32(0));
    }
    expect([errno, count]).toEqual([24, 1025]);
    for (errno = 0; errno === 0 && count < 40_000; count++) {
      errno = await client.errno('walk', u32(ROOT), u32(10_000 + count), u16(0));
    }
    expect([errno, followed.size]).toEqual([23, 32_768]);
    // A new session has room again.
    await client.begin();
    expect(followed.size).toBe(1);
    expect(await client.readAll('file')).toBe('x');
  });

  it('goes on with what another server had open', async () => {
    mkdirSync(join(root, 'a'));
    for (const name of ['kept', 'moved', 'gone', 'replaced']) writeFileSync(join(root, 'a', name), name);
    const { client, followed, server } = await session();
    const fids = {
      kept: await client.open('a/kept', O_RDWR),
      moved: await client.open('a/moved'),
      gone: await client.open('a/gone'),
      replaced: await client.open('a/replaced'),
      folder: await client.open('a'),
      plain: await client.walk('a/kept'),
    };
    await client.ask('renameat', u32(ROOT), s('a'), u32(ROOT), s('b'));
    await client.ask('unlinkat', u32(await client.walk('b')), s('gone'), u32(0));
    writeFileSync(join(root, 'other'), 'other');
    await client.ask('renameat', u32(ROOT), s('other'), u32(await client.walk('b')), s('replaced'));
    server.close();
    servers.length = 0;
    const next = (await serve({ session: followed })).client;
    const read = async (fid: number) => {
      const answer = await next.ask('read', u32(fid), u64(0), u32(100));
      return answer.errno || answer.data(answer.u32()).toString();
    };
    expect(await read(fids.kept)).toBe('kept');
    expect(await next.errno('write', u32(fids.kept), u64(0), u32(1), data(Buffer.from('K')))).toBe(0);
    expect(await read(fids.moved)).toBe('moved');
    // What has the name now is another file.
    expect([await read(fids.gone), await read(fids.replaced)]).toEqual([116, 116]);
    expect(await next.errno('readdir', u32(fids.folder), u64(0), u32(1000))).toBe(0);
    expect(await next.errno('getattr', u32(fids.plain), u64(0x7ff))).toBe(0);
    expect(readFileSync(join(root, 'b/kept'), 'utf8')).toBe('Kept');
  });

  it('refuses what a request lacks, and numbers that it does not know', async () => {
    const { send, client } = await session();
    for (const type of Object.values(T)) {
      if (type === T.flush) continue;
      const answer = new Answer(await send(message(type, 9, [])));
      expect([type, answer.errno > 0, answer.tag]).toEqual([type, true, 9]);
    }
    expect(new Answer(await send(message(200, 9, []))).errno).toBe(EOPNOTSUPP);
    // More or less than the header says.
    const walk = message(T.walk, 1, [u32(ROOT), u32(5), u16(1), s('x')]);
    const lying = walk.slice();
    lying[0] = 255;
    expect(new Answer(await send(lying)).errno).toBe(EINVAL);
    lying[0] = 6;
    expect(new Answer(await send(lying)).errno).toBe(EINVAL);
    expect(await client.errno('clunk', u32(4444))).toBe(EBADF);
    expect(await client.errno('read', u32(ROOT), u64(0), u32(10))).toBe(EBADF);
    expect(await client.errno('read', u32(await client.open('')), u64(0), u32(10))).toBe(EISDIR);
    expect(await client.errno('attach', u32(ROOT), u32(NO_FID), s('root'), s(''), u32(0))).toBe(EINVAL);
    expect(await client.errno('walk', u32(ROOT), u32(5), u16(17), ...Array(17).fill(s('..')))).toBe(EINVAL);
    const file = await client.walk('');
    await client.ask('lcreate', u32(file), s('f'), u32(O_RDWR), u32(0o644), u32(0));
    expect(await client.errno('write', u32(file), u64(0), u32(100), data(new Uint8Array(5)))).toBe(EINVAL);
    expect(await client.errno('lopen', u32(file), u32(0))).toBe(EBADF);
  });

  it('makes an answer of anything, stays in the folder, and agrees with the device about it', async () => {
    linkSync(join(base, 'outside', 'secret'), join(base, 'outside', 'second'));
    const outside = lstatSync(join(base, 'outside', 'secret'), { bigint: true });
    const run = async (random: Random): Promise<void> => {
      rmSync(root, { recursive: true, force: true });
      mkdirSync(join(root, 'a', 'b'), { recursive: true });
      writeFileSync(join(root, 'file'), 'content');
      symlinkSync('../outside', join(root, 'link'));
      const { server, client, send, followed } = await serve();
      await client.begin();
      for (let count = 0; count < 250; count++) {
        const request = anyRequest(random);
        const answer = new Answer(await send(request));
        expect(answer.bytes.readUInt32LE(0)).toBe(answer.bytes.length);
        expect([7, (request[4] ?? 0) + 1]).toContain(answer.type);
      }
      expect([...followed.entries()]).toEqual([...serverFids(server).entries()]);
      server.close();
      servers.length = 0;
      expect(readdirSync(join(base, 'outside')).sort()).toEqual(['second', 'secret']);
      const now = lstatSync(join(base, 'outside', 'secret'), { bigint: true });
      expect([now.mtimeNs, now.ctimeNs, now.mode]).toEqual([outside.mtimeNs, outside.ctimeNs, outside.mode]);
    };
    const seeds: Random[] = [];
    forSeeds(40, (random) => void seeds.push(random));
    for (const random of seeds) await run(random);
  });
});

function stateOf(path: string): string {
  const { ino, mode, size, nlink, mtimeNs, ctimeNs } = lstatSync(path, { bigint: true });
  return [ino, mode, size, nlink, mtimeNs, ctimeNs].join(' ');
}

/** The server's own; nobody else may see them. */
function serverFids(server: ShareServer): FidTable {
  return (server as unknown as { fids: FidTable }).fids;
}

const NAMES = ['a', 'b', 'file', 'link', 'new', '..', '.', '', 'secret', 'a/b', '../outside', 'x'.repeat(300)];

/** One that makes sense, or nearly, or none at all. */
function anyRequest(random: Random): Uint8Array {
  const pick = <T>(from: readonly T[]): T => from[random.u32() % from.length]!;
  const fid = () => u32(pick([ROOT, 1, 2, 3, 4, 5, 6, 7, NO_FID]));
  const name = () => s(pick(NAMES));
  const number = () => pick([0, 1, 2, 3, 0o101, 0o1001, 0o2001, 0x200, 0x1ff, 0xffff_ffff, random.u32()]);
  const flags = () => u32(number());
  const long = () => u64(pick([0n, 1n, 100n, 2n ** 31n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]));
  const some = () => data(new Uint8Array(random.u32() % 100));
  const walks = () => {
    const names = Array.from({ length: random.u32() % 4 }, name);
    return [fid(), fid(), u16(names.length), ...names];
  };
  const fields = {
    version: () => [u32(pick([0, 4096, 65_536, 0xffff_ffff])), s(pick(['9P2000.L', '9P2000', '']))],
    attach: () => [fid(), fid(), name(), name(), u32(0)],
    walk: walks,
    lopen: () => [fid(), flags()],
    lcreate: () => [fid(), name(), flags(), flags(), u32(0)],
    read: () => [fid(), long(), flags()],
    write: () => [fid(), u64(random.u32() % 100_000), u32(random.u32() % 120), some()],
    readdir: () => [fid(), long(), flags()],
    readlink: () => [fid()],
    getattr: () => [fid(), long()],
    setattr: () => [
      fid(),
      u32(random.u32() & 0x1f7),
      flags(),
      flags(),
      flags(),
      u64(10),
      long(),
      long(),
      long(),
      long(),
    ],
    mkdir: () => [fid(), name(), flags(), u32(0)],
    symlink: () => [fid(), name(), name(), u32(0)],
    mknod: () => [fid(), name(), flags(), u32(0), u32(0), u32(0)],
    link: () => [fid(), fid(), name()],
    rename: () => [fid(), fid(), name()],
    renameat: () => [fid(), name(), fid(), name()],
    unlinkat: () => [fid(), name(), flags()],
    remove: () => [fid()],
    fsync: () => [fid(), u32(1)],
    statfs: () => [fid()],
    lock: () => [fid(), u8(1), u32(0), long(), long(), u32(1), name()],
    clunk: () => [fid()],
  } as const;
  const kinds = Object.keys(fields) as (keyof typeof fields)[];
  const kind = pick<keyof typeof fields>(['walk', 'walk', 'walk', 'lopen', 'lcreate', ...kinds]);
  const request = message(T[kind], random.u32() & 0xffff, fields[kind]());
  // Some are cut, some have other bytes.
  if (random.u32() % 8 === 0) return request.subarray(0, 7 + (random.u32() % Math.max(1, request.length - 7)));
  if (random.u32() % 8 === 0) request[7 + (random.u32() % Math.max(1, request.length - 7))] = random.u32() & 0xff;
  return request;
}
