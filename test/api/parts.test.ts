/** Pieces of the library that need no machine. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { machineSeed } from '../../src/api/seed.ts';
import { parseTraceFilter, traceMatcher } from '../../src/api/trace/filter.ts';
import { fromWireError, toWireError } from '../../src/api/wire-error.ts';
import { MemoryDisk } from '../../src/backend/disk/index.ts';
import { formatByteSize, parseByteSize } from '../../src/common/byte-size.ts';
import { GodwitError } from '../../src/common/errors.ts';
import type { BlockCompletion } from '../../src/device/virtio/block/backend.ts';
import { DiskPort } from '../../src/service/disk/disk-port.ts';

it('reads sizes', () => {
  const sizes: [string, number][] = [
    ['512M', 512 * 1024 ** 2],
    ['512', 512 * 1024 ** 2],
    ['1.5G', 1.5 * 1024 ** 3],
    ['64KiB', 65536],
    ['2 GB', 2 * 1024 ** 3],
    ['512B', 512],
    ['1t', 1024 ** 4],
  ];
  for (const [text, bytes] of sizes) expect(parseByteSize('it', text), text).toBe(bytes);
  for (const text of ['', 'M', '-1M', '0', '1e3', '1X', '0.3B', '99999999T']) {
    expect(() => parseByteSize('it', text), text).toThrow(GodwitError);
  }
  expect(formatByteSize(536870912)).toBe('512 MiB');
  expect(formatByteSize(1.5 * 1024 ** 3)).toBe('1.5 GiB');
  expect(formatByteSize(100)).toBe('100 bytes');
});

it('makes seeds', async () => {
  expect(await machineSeed('godwit')).toEqual(await machineSeed('godwit'));
  expect(await machineSeed('a'.repeat(64))).toEqual(new Uint8Array(32).fill(0xaa));
  expect(await machineSeed(undefined)).not.toEqual(await machineSeed(undefined));
});

it('filters traces', () => {
  const both = traceMatcher(parseTraceFilter('0x1000-0x1fff, 0x3000, c.*, csr?w'));
  expect([0xfffn, 0x1000n, 0x1fffn, 0x2000n, 0x3000n].map((pc) => both.address(pc))).toEqual([
    false,
    true,
    true,
    false,
    true,
  ]);
  expect(['c.mv a0,a1', 'csrrw a0,satp,a1', 'csrrwi a0', 'xc.mv', 'add a0'].map((text) => both.text(text))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  const all = traceMatcher(parseTraceFilter(''));
  expect(all.address(5n) && all.text('anything')).toBe(true);
  for (const bad of ['0x2000-0x1000', '12', '(', '0x1-0x1ffffffffffffffff']) {
    expect(() => parseTraceFilter(bad), bad).toThrow(GodwitError);
  }
});

it('carries errors between threads', () => {
  const there = new GodwitError('locked', 'It is locked.', { hint: 'Stop the other one.' });
  const back = fromWireError(structuredClone(toWireError(there)));
  expect(back).toMatchObject({ code: 'locked', message: 'It is locked.', hint: 'Stop the other one.' });
  const ours = fromWireError(toWireError(new TypeError('x is not a function')));
  expect(ours.message).toMatch(/mistake in godwit/);
  expect(ours.code).toBe('internal');
});

/** A disk whose answers come when the test says so. */
class HeldDisk extends MemoryDisk {
  readonly order: string[] = [];
  readonly releases: (() => void)[] = [];

  private hold(what: string): Promise<void> {
    this.order.push(what);
    return new Promise((resolve) => this.releases.push(resolve));
  }

  override async write(offset: number, data: Uint8Array): Promise<void> {
    await this.hold(`write ${offset}`);
    await super.write(offset, data);
  }
}

it('lets nothing overtake a fence, and copies what is written at once', async () => {
  const disk = new HeldDisk(4096);
  const memory = new Uint8Array(1024).fill(1);
  const completions: [number, BlockCompletion][] = [];
  const port = new DiskPort({
    disk,
    memory: () => memory,
    complete: (id, completion) => completions.push([id, completion]),
    failed: (error) => expect.unreachable(String(error)),
  });
  const spans = [{ offset: 0, length: 512 }];
  port.submit({ id: 0, kind: 'write', offset: 0, length: 512, spans });
  port.fence();
  memory.fill(2);
  port.submit({ id: 1, kind: 'write', offset: 512, length: 512, spans });
  port.submit({ id: 2, kind: 'read', offset: 0, length: 1024 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(disk.order).toEqual(['write 0']);
  disk.releases.shift()!();
  await expect.poll(() => disk.order).toEqual(['write 0', 'write 512']);
  disk.releases.shift()!();
  await port.drain();
  expect(completions.map(([id]) => id).sort()).toEqual([0, 1, 2]);
  const content = new Uint8Array(1024);
  await disk.read(0, content);
  expect([content[0], content[511], content[512], content[1023]]).toEqual([1, 1, 2, 2]);
});

it('turns what the host could not do into an error status and a report', async () => {
  const disk = new MemoryDisk(4096);
  await disk.close();
  const completions: BlockCompletion[] = [];
  const failures: unknown[] = [];
  const port = new DiskPort({
    disk,
    memory: () => new Uint8Array(0),
    complete: (_id, completion) => completions.push(completion),
    failed: (error) => failures.push(error),
  });
  port.submit({ id: 0, kind: 'read', offset: 0, length: 512 });
  await port.drain();
  expect(completions).toEqual([{ status: 'error' }]);
  expect(failures).toHaveLength(1);
});

describe("Node's options for threads", () => {
  const options = new URL('../../dist/platform/node/thread-options.js', import.meta.url).href;
  const program = `
    import { threadOptions } from ${JSON.stringify(options)};
    import { Worker } from 'node:worker_threads';
    new Worker('console.log("a thread")', { eval: true, ...threadOptions() });`;

  it.each([
    [['--expose-gc', '--input-type=module', '-e', program]],
    [['--input-type', 'module', '--max-old-space-size=100', '--eval', program]],
    [['--expose-gc', '--import', `data:text/javascript,${encodeURIComponent(program)}`, '/dev/null']],
  ])('let a program have threads that is started so: %#', (all) => {
    const { stdout, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8' });
    expect({ stdout, stderr }).toMatchObject({ stdout: 'a thread\n' });
  });
});
