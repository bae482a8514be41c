/** Who looks at a machine's console over the control socket, and types. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ActionRequest, ToMachine } from '../../src/api/actions.ts';
import { MachineHandle } from '../../src/api/machine.ts';
import { bytesOfText, textOfBytes } from '../../src/service/control/byte-text.ts';
import { ControlClient } from '../../src/service/control/control-client.ts';
import type { ConsoleOutput } from '../../src/service/control/control-protocol.ts';
import { ControlServer } from '../../src/service/control/control-server.ts';
import { Scrollback } from '../../src/service/control/scrollback.ts';
import { Random } from '../disk/support/random.ts';

/** Takes all input at once. */
class FakeMachine {
  readonly asked: ActionRequest[] = [];
  acknowledged = 0;
  readonly handle = new MachineHandle({
    post: (message: ToMachine) => {
      if (message.kind === 'consumed') this.acknowledged += message.bytes;
      if (message.kind !== 'request') return;
      this.asked.push(message);
      const { id } = message;
      queueMicrotask(() => this.handle.receive({ kind: 'reply', id, result: undefined }));
    },
    terminate: async () => {},
  });

  print(text: string): void {
    this.handle.receive({ kind: 'output', port: 'uart', bytes: bytesOfText(text) });
  }

  end(exitCode: number): void {
    const end = { reason: exitCode === 0 ? 'power-off' : 'failure', exitCode, statistics: {} as never } as const;
    this.handle.receive({ kind: 'ended', end });
  }

  get typed(): string {
    return this.asked.map((each) => (each.action === 'input' ? textOfBytes(each.parameters.bytes) : '')).join('');
  }

  get sizes(): string[] {
    return this.asked.flatMap((each) =>
      each.action === 'resize' ? `${each.parameters.columns}x${each.parameters.rows}` : [],
    );
  }
}

let runtime = '';
let before: string | undefined;
let machine: FakeMachine;
let server: ControlServer;
const clients: ControlClient[] = [];
const sockets: Socket[] = [];

beforeEach(async () => {
  runtime = mkdtempSync(join(tmpdir(), 'godwit-rt-'));
  before = process.env.XDG_RUNTIME_DIR;
  process.env.XDG_RUNTIME_DIR = runtime;
  machine = new FakeMachine();
  await machine.handle.start();
  server = await ControlServer.open({ machine: machine.handle, memoryBytes: 2 ** 27, disks: [], name: 'web1' });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
  rmSync(runtime, { recursive: true });
  if (before === undefined) delete process.env.XDG_RUNTIME_DIR;
  else process.env.XDG_RUNTIME_DIR = before;
});

/** A viewer that takes all that it is shown. */
class Watching {
  shown = '';
  lostBytes = 0;
  readonly client: ControlClient;
  readonly ended: Promise<unknown>;
  private woken: (() => void)[] = [];

  private constructor(client: ControlClient) {
    this.client = client;
    this.ended = client.request('attach', undefined, (output) => this.show(output));
    this.ended.catch(() => {});
  }

  static async begin(): Promise<Watching> {
    const client = await ControlClient.open('web1');
    clients.push(client);
    const watching = new Watching(client);
    // What was asked before this is under way.
    await client.request('status', undefined);
    return watching;
  }

  private show({ output, lostBytes = 0 }: ConsoleOutput): void {
    this.shown += output;
    this.lostBytes += lostBytes;
    for (const wake of this.woken.splice(0)) wake();
  }

  async until(text: string): Promise<void> {
    while (!this.shown.includes(text)) await new Promise<void>((resolve) => this.woken.push(resolve));
  }

  async type(text: string): Promise<void> {
    await this.client.request('type', { bytes: text });
  }
}

describe('viewers of a console', () => {
  it('are shown what was printed before, and all that comes', async () => {
    machine.print('before\nprompt# ');
    const one = await Watching.begin();
    await one.until('prompt# ');
    const other = await Watching.begin();
    await other.until('prompt# ');
    machine.print('\x00\x1b[1m\xff\xfe');
    await Promise.all([one.until('\xfe'), other.until('\xfe')]);
    expect(one.shown).toBe('before\nprompt# \x00\x1b[1m\xff\xfe');
    expect(other.shown).toBe(one.shown);
  });

  it('type, in turn, and the terminal is as large as the window of who typed last', async () => {
    const [one, other] = [await Watching.begin(), await Watching.begin()];
    await one.client.request('window', { columns: 80, rows: 24 });
    await other.client.request('window', { columns: 100, rows: 30 });
    await one.type('a\x03');
    await other.type('b');
    await other.type('c');
    await other.client.request('window', { columns: 90, rows: 30 });
    await one.client.request('window', { columns: 70, rows: 20 });
    await one.type('d');
    expect(machine.typed).toBe('a\x03bcd');
    expect(machine.sizes).toEqual(['80x24', '100x30', '90x30', '70x20']);
  });

  it('learn how the machine ended, after all of its output', async () => {
    const one = await Watching.begin();
    machine.print('x'.repeat(300_000));
    machine.print('last');
    machine.end(7);
    expect(await one.ended).toEqual({ reason: 'failure', exitCode: 7 });
    expect(one.shown).toHaveLength(300_004);
    expect(one.lostBytes).toBe(0);
  });

  it('may leave', async () => {
    const [one, other] = [await Watching.begin(), await Watching.begin()];
    machine.print('both');
    await Promise.all([one.until('both'), other.until('both')]);
    one.client.close();
    await expect(one.ended).rejects.toMatchObject({ code: 'io' });
    machine.print('one');
    await other.until('one');
    await other.type('x');
    expect(machine.typed).toBe('x');
  });

  it.each([
    ['type', { bytes: 'a\u0100' }, 'bytes'],
    ['type', { bytes: 'x'.repeat(8193) }, 'bytes'],
    ['type', {}, 'bytes'],
    ['window', { columns: 1 }, 'rows'],
    ['attach', { lines: 5 }, 'lines'],
  ] as const)('are refused by the name of what makes no sense: %s %o', async (action, parameters, name) => {
    const client = await ControlClient.open('web1');
    clients.push(client);
    await expect(client.request(action, parameters as never)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining(`"${name}"`),
    });
  });

  it('that are slow lose old output and hold up neither the machine nor others, nor its end', async () => {
    const slow = connect(server.path);
    sockets.push(slow);
    const heard = new Promise<void>((resolve) => slow.once('data', () => resolve()));
    slow.write('{"id":1,"action":"attach"}\n');
    await heard;
    slow.pause();
    const quick = await Watching.begin();
    for (let round = 0; round < 80; round++) {
      const end = `${round};`.padEnd(64 * 1024, 'x');
      machine.print(end);
      await quick.until(`${round};x`);
    }
    await quick.type('y');
    expect(machine.typed).toBe('y');
    expect(quick.lostBytes).toBe(0);
    // The console's own count: nobody is waited for.
    expect(machine.acknowledged).toBe(80 * 64 * 1024);
    let text = '';
    slow.on('data', (data) => {
      text += data;
    });
    slow.resume();
    machine.end(3);
    await new Promise<void>((resolve) => {
      const look = () => (text.includes('"exitCode":3') ? resolve() : slow.once('data', look));
      look();
    });
    const said = text
      .split('\n')
      .filter((line) => line.includes('"progress"'))
      .map((line) => JSON.parse(line).progress as ConsoleOutput);
    const lost = said.reduce((sum, { lostBytes = 0 }) => sum + lostBytes, 0);
    expect(lost).toBeGreaterThan(1024 * 1024);
    expect(said.reduce((sum, { output }) => sum + output.length, 0) + lost).toBe(80 * 64 * 1024);
    expect(said.map(({ output }) => output).join('')).toContain('79;x');
  });

  it('that take nothing at all are left behind at the end', async () => {
    const stuck = connect(server.path);
    sockets.push(stuck);
    stuck.write('{"id":1,"action":"attach"}\n');
    await new Promise<void>((resolve) => stuck.once('data', () => resolve()));
    stuck.pause();
    for (let round = 0; round < 40; round++) machine.print('x'.repeat(64 * 1024));
    machine.end(0);
    await server.close();
    server = await ControlServer.open({ machine: machine.handle, memoryBytes: 1, disks: [] });
  });
});

describe('the last output', () => {
  it('is kept as it was while it is little', () => {
    const kept = new Scrollback();
    for (const text of ['', 'a', 'bc\n', '\xff']) kept.push(bytesOfText(text));
    expect(textOfBytes(kept.content())).toBe('abc\n\xff');
  });

  it.each([1, 2, 3])('is the end of all, from the beginning of a line, seed %i', (seed) => {
    const random = new Random(seed);
    const kept = new Scrollback();
    let all = '';
    for (let round = 0; round < 300; round++) {
      const text = 'x'.repeat(random.below(random.chance(3) ? 100_000 : 200)) + (random.chance(50) ? '\n' : '');
      all += text;
      kept.push(bytesOfText(text));
      if (!random.chance(10)) continue;
      const shown = textOfBytes(kept.content());
      expect(shown.length).toBeLessThanOrEqual(64 * 1024);
      expect(all.endsWith(shown)).toBe(true);
      const rest = all.slice(0, all.length - shown.length);
      expect(rest === '' || rest.endsWith('\n') || !shown.includes('\n')).toBe(true);
    }
  });
});
