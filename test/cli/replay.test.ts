/** `godwit run --record` and `godwit replay`. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HEADER_BYTES } from '../../src/checkpoint/container/layout.ts';
import { MemoryByteSource } from '../../src/checkpoint/memory-byte-source.ts';
import { nodeCodec } from '../../src/platform/node/codec.ts';
import { ByteReader } from '../../src/recording/bytes.ts';
import { EntryWriter, readEntries } from '../../src/recording/entries.ts';
import { EVENTS } from '../../src/recording/layout.ts';
import { frameRecord } from '../../src/recording/record-frame.ts';
import { readRecord, scanRecords } from '../../src/recording/records.ts';
import { echoing, sleeping } from '../api/programs.ts';
import { godwit, hasScript, MAIN, onTerminal, Run } from './support.ts';

let folder = '';
const file = (name: string): string => join(folder, name);
const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-replay-'));
  writeFileSync(file('echoing'), echoing());
  writeFileSync(file('sleeping'), sleeping());
  const run = new Run(process.execPath, [MAIN, 'run', '--kernel', file('echoing'), '--record', file('echo.rec')]);
  for (const text of ['hello, ', 'world', '!\n']) {
    await delay(150);
    run.type(text);
    await run.shows(text);
  }
  await delay(150);
  run.type('q');
  expect(await run.ended).toEqual({ status: 0, stdout: 'hello, world!\nq', stderr: '' });
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The recording with another key in place of one, and right checksums. */
function withOtherKey(key: string, other: string): Uint8Array {
  const source = new MemoryByteSource('it', readFileSync(file('echo.rec')));
  const header = new Uint8Array(HEADER_BYTES);
  source.read(0, header);
  const pieces: Uint8Array[] = [header];
  for (const place of scanRecords(source, nodeCodec)) {
    const content = readRecord(source, nodeCodec, place);
    pieces.push(frameRecord(place.type, place.type === EVENTS ? rewrite(content) : content, 0, nodeCodec.crc32));
  }
  return Buffer.concat(pieces);

  function rewrite(content: Uint8Array): Uint8Array {
    const writer = new EntryWriter();
    for (const entry of readEntries(new ByteReader(content), () => content)) {
      if (entry.kind === 'digest') writer.digest(entry.point, entry.digest);
      else if (entry.kind === 'marker') writer.marker(entry.point, entry.marker);
      else if (entry.event.kind === 'input' && entry.event.bytes[0] === key.charCodeAt(0)) {
        const event = { ...entry.event, bytes: new TextEncoder().encode(other) };
        writer.event({ point: entry.point, event });
      } else writer.event(entry);
    }
    return writer.take();
  }
}

describe('godwit replay', () => {
  it('prints what was printed', async () => {
    expect(await godwit(['replay', file('echo.rec')])).toEqual({ status: 0, stdout: 'hello, world!\nq', stderr: '' });
    const slow = await godwit(['replay', file('echo.rec'), '--speed', '20', '--engine', 'interpreter']);
    expect(slow).toEqual({ status: 0, stdout: 'hello, world!\nq', stderr: '' });
  });

  it('says what a file holds, and whether it replays as it was', async () => {
    const { status, stdout } = await godwit(['replay', file('echo.rec'), '--info', '--json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      end: 'power-off',
      notice: null,
      memoryBytes: 512 * 1024 ** 2,
      disks: 0,
    });
    expect((await godwit(['replay', file('echo.rec'), '--info'])).stdout).toMatch(/^file .*\n[\s\S]*end +power-off\n$/);
    const verified = await godwit(['replay', file('echo.rec'), '--verify']);
    expect(verified).toMatchObject({ status: 0, stderr: '' });
    expect(verified.stdout).toMatch(/^The replay is as the recording: \d+ digests/);
    const json = await godwit(['replay', file('echo.rec'), '--verify', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ same: true, divergence: null });
  });

  it('has an exit status of its own for a replay that diverges, and says where', async () => {
    writeFileSync(file('other.rec'), withOtherKey('q', 'Q'));
    const plain = await godwit(['replay', file('other.rec')]);
    expect(plain.status).toBe(3);
    expect(plain.stderr).toMatch(/^godwit: The replay diverged from the recording between branch \d+/);
    const json = await godwit(['replay', file('other.rec'), '--verify', '--json']);
    expect(json.status).toBe(3);
    expect(JSON.parse(json.stdout)).toMatchObject({
      same: false,
      divergence: { interval: { index: expect.any(Number) } },
    });
  });

  it('plays what there is of a file that was cut, and refuses what is none', async () => {
    const whole = readFileSync(file('echo.rec'));
    writeFileSync(file('cut.rec'), whole.subarray(0, whole.length - 60));
    const cut = await godwit(['replay', file('cut.rec')]);
    expect(cut.status).toBe(0);
    expect(cut.stderr).toMatch(/^godwit: .*cut.rec (is cut short|broke off)/);
    expect('hello, world!\nq'.startsWith(cut.stdout)).toBe(true);
    for (const [name, content] of [
      ['empty.rec', new Uint8Array(0)],
      ['text.rec', new TextEncoder().encode('no recording')],
      ['start.rec', whole.subarray(0, 500)],
    ] as const) {
      writeFileSync(file(name), content);
      const { status, stdout, stderr } = await godwit(['replay', file(name)]);
      expect({ status, stdout }, name).toEqual({ status: 1, stdout: '' });
      expect(stderr, name).toMatch(/^godwit: .*rec (is not a recording|holds nothing|is damaged)/);
    }
    expect(await godwit(['replay', file('none.rec')])).toMatchObject({ status: 1, stdout: '' });
    const other = await godwit(['replay', folder]);
    expect(other).toEqual({ status: 2, stdout: '', stderr: `godwit: ${folder} is a folder without recordings.\n` });
  });

  it('goes live at a place', async () => {
    const args = [MAIN, 'replay', file('echo.rec'), '--to-text', 'hello', '--live', '--record', file('live.rec')];
    const run = new Run(process.execPath, args);
    await run.shows('hello');
    // What is typed before is for the replay.
    await run.says('the machine is live');
    run.type('again');
    await run.shows('again');
    run.type('q');
    const { status, stdout, stderr } = await run.ended;
    expect(status).toBe(0);
    expect(stdout).toMatch(/^hello.*againq$/);
    expect(stderr).toContain('the machine is live');
    // What it did since is a recording like others.
    expect((await godwit(['replay', file('live.rec')])).stdout).toMatch(/againq$/);
  });

  it('becomes a checkpoint at a place', async () => {
    const store = ['--store', file('checkpoints')];
    const kept = await godwit(['replay', file('echo.rec'), '--to-text', 'hello', '--checkpoint', 'at-hello', ...store]);
    expect(kept).toMatchObject({ status: 0 });
    expect(kept.stdout).toMatch(/^hello/);
    expect(kept.stderr).toMatch(/^godwit: at-hello \([0-9a-f]{8}\): /);
    const restored = await godwit(['checkpoint', 'restore', 'at-hello', ...store], ' from here on\nq');
    expect(restored).toEqual({ status: 0, stdout: ' from here on\nq', stderr: '' });
    const ended = await godwit(['replay', file('echo.rec'), '--checkpoint', 'end', ...store]);
    expect(ended).toMatchObject({ status: 2 });
    expect(ended.stderr).toMatch(/The guest has ended in the recording/);
  }, 300_000);

  it('refuses what makes no sense', async () => {
    for (const args of [
      ['--speed', '0'],
      ['--speed', 'quick'],
      ['--to', 'soon'],
      ['--to', '1s', '--to-branch', '5'],
      ['--verify', '--live'],
      ['--info', '--verify'],
      ['--disk', 'x.qcow2'],
      ['--json'],
      ['--record', 'x.rec'],
      ['--store', 'x'],
      ['--verify', '--checkpoint', 'x'],
      ['--gdb', '0', '--checkpoint', 'x'],
      ['--gdb', '0', '--to', '1h'],
    ]) {
      expect((await godwit(['replay', file('echo.rec'), ...args])).status, args.join(' ')).toBe(2);
    }
    const beyond = await godwit(['replay', file('echo.rec'), '--to', '1h']);
    expect(beyond).toMatchObject({ status: 2 });
    expect(beyond.stderr).toMatch(/does not come to that time/);
    const recorded = ['run', '--kernel', file('echoing'), '--record'];
    expect((await godwit([...recorded, file('echo.rec')], 'q')).stderr).toMatch(/it exists already/);
    expect((await godwit([...recorded, join(folder, 'none', 'x.rec')], 'q')).status).toBe(1);
    expect((await godwit(['run', '--kernel', file('echoing'), '--flight-recorder', '5'], 'q')).status).toBe(2);
  }, 300_000);

  it('plays the last minutes that a flight recorder kept, also when its process was killed', async () => {
    const args = [MAIN, 'run', '--kernel', file('echoing'), '--record', file('flight.rec'), '--flight-recorder', '5'];
    const ended = new Run(process.execPath, args);
    ended.type('one');
    await ended.shows('one');
    ended.type('q');
    expect((await ended.ended).status).toBe(0);
    expect((await godwit(['replay', file('flight.rec')])).stdout).toBe('oneq');
    expect(existsSync(`${file('flight.rec')}.flight`)).toBe(false);
    rmSync(file('flight.rec'));
    const killed = new Run(process.execPath, args);
    killed.type('two');
    await killed.shows('two');
    while (statSync(join(`${file('flight.rec')}.flight`, '000001.recording')).size < 1000) await delay(20);
    await delay(1000);
    killed.child.kill('SIGKILL');
    await killed.ended;
    expect(existsSync(file('flight.rec'))).toBe(false);
    expect((await godwit(['replay', `${file('flight.rec')}.flight`])).stdout).toBe('two');
  }, 300_000);

  it.skipIf(!hasScript)(
    `obeys keys on a terminal ${hasScript ? '' : '(skipped: the program "script" is missing)'}`,
    async () => {
      const run = onTerminal(`${process.execPath} ${MAIN} replay ${file('echo.rec')} --speed 0.01`);
      await run.shows('q quits');
      run.type(' ');
      await run.shows('0.01x: paused');
      run.type('+');
      await run.shows('0.02x: paused');
      run.type('-');
      await run.shows('0.01x: paused');
      run.type('m ');
      await run.shows('world!');
      expect((await run.ended).status).toBe(0);
      const places = `${process.execPath} ${MAIN} replay ${file('echo.rec')} --speed max --store ${file('kept')}`;
      const going = onTerminal(`${places} --to-text hello`);
      await going.shows('hello');
      going.type(' ');
      await going.shows('max: paused');
      going.type('g/world\r');
      await going.shows('world');
      await going.shows('max: paused');
      going.type('c');
      await going.shows('of memory');
      going.type('g0.01s\r');
      await going.shows('\x1b[2J');
      await going.shows('max: paused');
      going.type('g/nowhere\r');
      await going.shows('does not come to that text');
      going.type('g1h\r');
      await going.shows('does not come to that time');
      going.type('\x1b[24;80R ');
      await going.shows('world!');
      expect((await going.ended).status).toBe(0);
      expect((await godwit(['checkpoint', 'list', '--store', file('kept')])).stdout.split('\n')).toHaveLength(3);
      const live = onTerminal(`${process.execPath} ${MAIN} replay ${file('echo.rec')} --to-text hello --speed 0.001`);
      await live.shows('hello');
      live.type('l');
      await live.shows('the machine is live');
      live.type('typed');
      await live.shows('typed');
      live.type('\x01x');
      expect((await live.ended).status).toBe(0);
      const quit = onTerminal(`${process.execPath} ${MAIN} replay ${file('echo.rec')} --speed 0.001`);
      await quit.shows('q quits');
      quit.type('q');
      expect((await quit.ended).status).toBe(0);
    },
    60_000,
  );
});
