/** Streams between processes, and the names under which they find one another. */
import { linkSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { platform } from '../../src/platform/platform.ts';
import type { ByteStream, Listener, StreamAddress } from '../../src/platform/streams.ts';

const streams = platform().streams!;
let folder: string;
const open: (ByteStream | Listener)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-streams-'));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
  rmSync(folder, { recursive: true });
});

const unix = (): StreamAddress => ({ kind: 'unix', path: join(folder, 'it.sock') });
const loopback: StreamAddress = { kind: 'tcp', host: '127.0.0.1', port: 0 };

/** Both ends of a stream. */
async function pair(address: StreamAddress): Promise<{ near: ByteStream; far: ByteStream; listener: Listener }> {
  let accepted: (stream: ByteStream) => void = () => {};
  const far = new Promise<ByteStream>((resolve) => {
    accepted = resolve;
  });
  const listener = await streams.listen(address, (stream) => accepted(stream));
  const near = await streams.connect(listener.address);
  // A listener waits for its streams when it closes, so they come first.
  open.push(near, await far, listener);
  return { near, far: await far, listener };
}

function closed(stream: ByteStream): Promise<unknown> {
  return new Promise((resolve) => stream.onClose(resolve));
}

describe.each([
  ['a unix domain socket', unix],
  ['TCP', () => loopback],
])('a stream over %s', (_, address) => {
  it('brings everything, in order, before it ends', async () => {
    const { near, far } = await pair(address());
    const got: number[] = [];
    far.onData((bytes) => got.push(...bytes));
    const ended = closed(far);
    for (let value = 0; value < 200; value++) void near.write(Uint8Array.of(value, value));
    near.end();
    await ended;
    expect(got).toEqual(Array.from({ length: 400 }, (_, index) => index >> 1));
  });

  it('brings what came before anybody listened', async () => {
    const { near, far } = await pair(address());
    await near.write(Uint8Array.of(1, 2, 3));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const first = await new Promise<Uint8Array>((resolve) => far.onData(resolve));
    expect([...first]).toEqual([1, 2, 3]);
  });

  it('says that it has closed, also afterwards', async () => {
    const { near } = await pair(address());
    near.close();
    await closed(near);
    await closed(near);
  });

  it('holds up who writes while it is paused', async () => {
    const { near, far } = await pair(address());
    let heard = 0;
    far.onData((bytes) => {
      heard += bytes.length;
    });
    far.pause();
    // More than any socket keeps.
    const total = 64 * 1024 ** 2;
    let written = false;
    const writing = near.write(new Uint8Array(total)).then(() => {
      written = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(written).toBe(false);
    const before = heard;
    far.resume();
    await writing;
    near.end();
    await closed(far);
    expect(before).toBeLessThan(total);
    expect(heard).toBe(total);
  });

  it('is refused where nobody listens, and where somebody does', async () => {
    const { listener } = await pair(address());
    await expect(streams.listen(listener.address, () => {})).rejects.toMatchObject({ code: 'locked' });
    for (const each of open.splice(0)) await each.close();
    await expect(streams.connect(listener.address)).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('a unix domain socket', () => {
  it('lets only its user in', async () => {
    await pair(unix());
    expect(statSync(join(folder, 'it.sock')).mode & 0o777).toBe(0o600);
  });

  it('takes the place of one whose process died, and of nothing else', async () => {
    const path = join(folder, 'it.sock');
    const abandoned = createServer();
    await new Promise<void>((resolve) => abandoned.listen(`${path}.bound`, () => resolve()));
    linkSync(`${path}.bound`, path);
    await new Promise<void>((resolve) => abandoned.close(() => resolve()));
    await pair({ kind: 'unix', path });
  });

  it('needs its folder', async () => {
    const path = join(folder, 'missing', 'it.sock');
    await expect(streams.listen({ kind: 'unix', path }, () => {})).rejects.toMatchObject({ code: 'not-found' });
  });
});
