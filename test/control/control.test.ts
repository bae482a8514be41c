import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ActionRequest, FromMachine, ToMachine } from '../../src/api/actions.ts';
import { MachineHandle } from '../../src/api/machine.ts';
import { ControlClient, findMachine, listMachines } from '../../src/service/control/control-client.ts';
import { ControlServer } from '../../src/service/control/control-server.ts';
import { Random } from '../disk/support/random.ts';

/** A machine that answers at once, and remembers what it was asked. */
class FakeMachine {
  readonly asked: ActionRequest[] = [];
  readonly handle: MachineHandle;
  /** Requests for which it says nothing by itself. */
  silentOn: string | undefined;

  constructor() {
    this.handle = new MachineHandle({
      post: (message: ToMachine) => {
        if (message.kind !== 'request') return;
        this.asked.push(message);
        if (message.action === this.silentOn) return;
        queueMicrotask(() => this.answer(message));
      },
      terminate: async () => {},
    });
  }

  say(message: FromMachine): void {
    this.handle.receive(message);
  }

  private answer({ id, action }: ActionRequest): void {
    this.say({ kind: 'reply', id, result: action === 'checkpoint' ? { name: 'made' } : undefined });
    if (action === 'stop') this.end();
  }

  end(): void {
    this.say({ kind: 'ended', end: { reason: 'stopped', exitCode: 0, statistics: {} as never } });
  }
}

let runtime: string;
let before: string | undefined;
const servers: ControlServer[] = [];
beforeEach(() => {
  runtime = mkdtempSync(join(tmpdir(), 'godwit-rt-'));
  before = process.env.XDG_RUNTIME_DIR;
  process.env.XDG_RUNTIME_DIR = runtime;
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  rmSync(runtime, { recursive: true });
  if (before === undefined) delete process.env.XDG_RUNTIME_DIR;
  else process.env.XDG_RUNTIME_DIR = before;
});

async function serve(machine: FakeMachine, name?: string): Promise<ControlServer> {
  const server = await ControlServer.open({
    machine: machine.handle,
    memoryBytes: 2 ** 27,
    disks: ['/d.qcow2'],
    ...(name === undefined ? {} : { name }),
  });
  servers.push(server);
  return server;
}

async function running(name = 'web1'): Promise<{ machine: FakeMachine; server: ControlServer }> {
  const machine = new FakeMachine();
  await machine.handle.start();
  return { machine, server: await serve(machine, name) };
}

/** A connection that says whatever a test likes. Gives the lines that come back, without the greeting. */
class Raw {
  readonly lines: string[] = [];
  readonly closed: Promise<void>;
  private readonly socket: Socket;
  private rest = '';
  private wake: (() => void)[] = [];

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on('data', (data) => {
      const all = `${this.rest}${data}`.split('\n');
      this.rest = all.pop()!;
      this.lines.push(...all);
      for (const wake of this.wake.splice(0)) wake();
    });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve()));
  }

  send(data: string | Uint8Array): void {
    this.socket.write(data);
  }

  async answers(count: number): Promise<Record<string, unknown>[]> {
    while (this.lines.length < count + 1) await new Promise<void>((resolve) => this.wake.push(resolve));
    return this.lines.slice(1, count + 1).map((line) => JSON.parse(line));
  }

  end(): void {
    this.socket.destroy();
  }
}

describe('controlling machines', () => {
  test('a machine is found by its name, and does what is asked', async () => {
    const { machine } = await running();
    const client = await ControlClient.open('web1');
    expect(await client.request('status', undefined)).toMatchObject({
      name: 'web1',
      pid: process.pid,
      status: 'running',
      memoryBytes: 2 ** 27,
      disks: ['/d.qcow2'],
    });
    await client.request('pause', undefined);
    expect(machine.handle.status).toBe('paused');
    await client.request('resume', undefined);
    expect(machine.handle.status).toBe('running');
    await client.request('checkpoint', { name: 'one', disks: 'copy' });
    await client.request('cancel-checkpoint', undefined);
    await client.request('record', { path: '/a.rec', lastMinutes: 5 });
    await client.request('save-flight', { path: '/b.rec', replace: true });
    await client.request('stop-recording', {});
    await client.request('debug', { listen: 1234, stopped: true });
    await client.request('stop', undefined);
    expect(machine.handle.status).toBe('ended');
    expect(machine.asked.map(({ action }) => action)).toEqual([
      'start',
      'pause',
      'resume',
      'checkpoint',
      'cancel-checkpoint',
      'record',
      'save-flight',
      'stop-recording',
      'debug',
      'stop',
    ]);
    expect(machine.asked[3]!.parameters).toEqual({ name: 'one', disks: 'copy' });
    expect(machine.asked.slice(5, 9).map(({ parameters }) => parameters)).toEqual([
      { path: '/a.rec', lastMinutes: 5 },
      { path: '/b.rec', replace: true },
      {},
      { listen: 1234, stopped: true },
    ]);
    await expect(client.request('pause', undefined)).rejects.toMatchObject({ code: 'state' });
    client.close();
  });

  test('progress comes before the answer, to whoever asked', async () => {
    const { machine } = await running();
    machine.silentOn = 'checkpoint';
    const [asking, other] = [await ControlClient.open('web1'), await ControlClient.open('web1')];
    const seen: number[] = [];
    const answer = asking.request('checkpoint', {}, ({ fileBytes }) => seen.push(fileBytes));
    while (machine.asked.at(-1)?.action !== 'checkpoint') await new Promise((resolve) => setImmediate(resolve));
    for (const fileBytes of [1, 2, 3]) {
      machine.say({ kind: 'checkpoint-progress', progress: { name: 'x', fileBytes, copiedBytes: 0, toCopyBytes: 0 } });
    }
    machine.say({ kind: 'reply', id: machine.asked.at(-1)!.id, result: { name: 'x' } });
    expect(await answer).toEqual({ name: 'x' });
    expect(seen).toEqual([1, 2, 3]);
    await other.request('status', undefined);
    asking.close();
    other.close();
  });

  test('names are given out once, and again when they are free', async () => {
    const first = await serve(new FakeMachine());
    const second = await serve(new FakeMachine());
    expect([first.name, second.name]).toEqual(['machine-1', 'machine-2']);
    await expect(serve(new FakeMachine(), 'machine-1')).rejects.toMatchObject({ code: 'usage' });
    await first.close();
    expect((await serve(new FakeMachine())).name).toBe('machine-1');
    for (const name of ['', '../x', 'a/b', '.hidden', '-x', 'x'.repeat(41), 'ä']) {
      await expect(serve(new FakeMachine(), name), name).rejects.toMatchObject({ code: 'usage' });
    }
    servers.splice(0, 1);
  });

  test('many that start at once get different names', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => serve(new FakeMachine())));
    expect(new Set(all.map(({ name }) => name)).size).toBe(12);
    const { machines, silent } = await listMachines();
    expect(machines.map(({ name }) => name)).toEqual(Array.from({ length: 12 }, (_, index) => `machine-${index + 1}`));
    expect(silent).toEqual([]);
  });

  test('the socket of a process that died is no machine, and goes', async () => {
    const { server } = await running('live');
    const dead = join(runtime, 'godwit', 'dead.sock');
    // What bind leaves when nobody unlinks it.
    const abandoned = createServer();
    await new Promise<void>((resolve) => abandoned.listen(`${dead}.bound`, () => resolve()));
    const { linkSync } = await import('node:fs');
    linkSync(`${dead}.bound`, dead);
    await new Promise<void>((resolve) => abandoned.close(() => resolve()));
    expect(readdirSync(join(runtime, 'godwit'))).toContain('dead.sock');
    expect((await listMachines()).machines.map(({ name }) => name)).toEqual(['live']);
    await expect(ControlClient.open('dead')).rejects.toMatchObject({ code: 'not-found' });
    expect((await serve(new FakeMachine(), 'dead')).name).toBe('dead');
    expect((await listMachines()).machines).toHaveLength(2);
    await server.close();
    servers.splice(0, 1);
    expect((await findMachine(undefined)).name).toBe('dead');
  });

  test('says which machines there are when none is named', async () => {
    await expect(findMachine(undefined)).rejects.toMatchObject({ code: 'not-found' });
    await running('a');
    const only = await findMachine(undefined);
    expect(only.name).toBe('a');
    only.close();
    await running('b');
    await expect(findMachine(undefined)).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('a, b'),
    });
    await expect(findMachine('c')).rejects.toMatchObject({ code: 'not-found' });
  });

  test('only the user can come to the sockets', async () => {
    await running();
    expect(statSync(join(runtime, 'godwit')).mode & 0o777).toBe(0o700);
    rmSync(join(runtime, 'godwit'), { recursive: true });
    writeFileSync(join(runtime, 'godwit'), 'a file');
    await expect(serve(new FakeMachine())).rejects.toMatchObject({ name: 'GodwitError' });
    rmSync(join(runtime, 'godwit'));
    mkdirSync(join(runtime, 'godwit'), { mode: 0o777 });
    await running('again');
    expect(statSync(join(runtime, 'godwit')).mode & 0o777).toBe(0o700);
    servers.splice(0, 1);
  });

  test('a client learns at once that the machine is gone', async () => {
    const { machine, server } = await running();
    machine.silentOn = 'checkpoint';
    const client = await ControlClient.open('web1');
    const answer = client.request('checkpoint', {});
    while (machine.asked.at(-1)?.action !== 'checkpoint') await new Promise((resolve) => setImmediate(resolve));
    const refused = expect(answer).rejects.toMatchObject({ code: 'io' });
    await server.close();
    await refused;
    await expect(client.request('status', undefined)).rejects.toMatchObject({ code: 'io' });
    servers.splice(0, 1);
  });

  test('a client refuses other versions, and what is no machine', async () => {
    const answers = ['{"godwit":2,"tool":"godwit 9"}\n', 'hello\n', '[]\n', `${'x'.repeat(2 ** 21)}\n`, ''];
    const codes = ['unsupported', 'io', 'io', 'io', 'io'];
    mkdirSync(join(runtime, 'godwit'), { mode: 0o700 });
    for (const [index, answer] of answers.entries()) {
      const other = createServer((socket) => {
        socket.on('error', () => {});
        socket.end(answer);
      });
      const path = join(runtime, 'godwit', `other-${index}.sock`);
      await new Promise<void>((resolve) => other.listen(path, () => resolve()));
      await expect(ControlClient.open(`other-${index}`), answer.slice(0, 20)).rejects.toMatchObject({
        code: codes[index],
      });
      expect((await listMachines()).silent).toHaveLength(1);
      await new Promise<void>((resolve) => other.close(() => resolve()));
    }
  });
});

describe('hostile requests', () => {
  const cases: [string, string][] = [
    ['no JSON', '{'],
    ['nothing', ''],
    ['no object', '[1]'],
    ['null', 'null'],
    ['no id', '{"action":"status"}'],
    ['an id that is none', '{"id":1.5,"action":"status"}'],
    ['no action', '{"id":1}'],
    ['an unknown action', '{"id":1,"action":"explode"}'],
    ['an action of Object', '{"id":1,"action":"toString"}'],
    ['__proto__', '{"id":1,"action":"__proto__"}'],
    ['an action that is not for others', '{"id":1,"action":"input","parameters":{"bytes":"x"}}'],
    ['unknown fields', '{"id":1,"action":"status","extra":1}'],
    ['parameters for none', '{"id":1,"action":"pause","parameters":{"now":true}}'],
    ['parameters that are none', '{"id":1,"action":"checkpoint","parameters":[]}'],
    ['a name that is none', '{"id":1,"action":"checkpoint","parameters":{"name":7}}'],
    ['a text with a zero', '{"id":1,"action":"checkpoint","parameters":{"name":"a\\u0000b"}}'],
    ['a long text', `{"id":1,"action":"checkpoint","parameters":{"store":"${'x'.repeat(5000)}"}}`],
    ['an unknown choice', '{"id":1,"action":"checkpoint","parameters":{"disks":"burn"}}'],
    ['a flag that is none', '{"id":1,"action":"checkpoint","parameters":{"full":"yes"}}'],
    ['no path', '{"id":1,"action":"save-flight"}'],
    ['no path for a recording', '{"id":1,"action":"record","parameters":{"replace":true}}'],
    ['a path that is none', '{"id":1,"action":"stop-recording","parameters":{"path":""}}'],
    ['minutes that are none', '{"id":1,"action":"record","parameters":{"path":"a","lastMinutes":"5"}}'],
    ['no address for gdb', '{"id":1,"action":"debug","parameters":{"stopped":true}}'],
    ['a port that is none', '{"id":1,"action":"debug","parameters":{"listen":70000}}'],
    ['deep nesting', `{"id":1,"action":"status","parameters":${'['.repeat(20_000)}${']'.repeat(20_000)}}`],
  ];

  test.each(cases)('%s: an error, and the machine goes on', async (_, line) => {
    const { machine, server } = await running();
    const raw = new Raw(server.path);
    raw.send(`${line}\n{"id":77,"action":"status"}\n`);
    const answers = await raw.answers(2);
    expect(answers.find(({ id }) => id === 77)).toMatchObject({ result: { status: 'running' } });
    expect(answers.find(({ id }) => id !== 77)).toMatchObject({ error: { code: 'usage' } });
    expect(machine.asked.map(({ action }) => action)).toEqual(['start']);
    raw.end();
  });

  test('a line without end is cut off', async () => {
    const { server } = await running();
    const raw = new Raw(server.path);
    raw.send('x'.repeat(100_000));
    expect(await raw.answers(1)).toMatchObject([{ error: { code: 'limit' } }]);
    await raw.closed;
    const client = await ControlClient.open('web1');
    await client.request('status', undefined);
    client.close();
  });

  test('a request in pieces is one request', async () => {
    const { server } = await running();
    const raw = new Raw(server.path);
    for (const byte of Buffer.from('{"id":5,"action":"status"}\n')) {
      raw.send(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await raw.answers(1)).toMatchObject([{ id: 5, result: { name: 'web1' } }]);
    raw.end();
  });

  test('requests that are not answered are bounded', async () => {
    const { machine, server } = await running();
    machine.silentOn = 'statistics';
    const raw = new Raw(server.path);
    for (let id = 0; id < 40; id++) raw.send(`{"id":${id},"action":"statistics"}\n`);
    const refused = await raw.answers(24);
    expect(refused.every(({ error }) => (error as { code: string }).code === 'limit')).toBe(true);
    raw.end();
  });

  test('connections are bounded, and those that go leave room', async () => {
    const { server } = await running();
    const idle = Array.from({ length: 32 }, () => new Raw(server.path));
    for (const raw of idle) raw.send('{"id":1,"action":"status"}\n');
    for (const raw of idle) await raw.answers(1);
    const refused = new Raw(server.path);
    await refused.closed;
    expect(refused.lines).toEqual([]);
    for (const raw of idle) raw.end();
    for (const raw of idle) await raw.closed;
    await new Promise((resolve) => setImmediate(resolve));
    const client = await ControlClient.open('web1');
    await client.request('status', undefined);
    client.close();
  });

  test.each([1, 2, 3, 4, 5])('random bytes do no harm, seed %i', async (seed) => {
    const random = new Random(seed);
    const { machine, server } = await running();
    const pieces = [
      '{"id":',
      '1',
      ',"action":"',
      'status"',
      '}',
      '\n',
      '"',
      '\\',
      '{"id":1,"action":"checkpoint","parameters":{',
    ];
    for (let round = 0; round < 20; round++) {
      const raw = new Raw(server.path);
      for (let count = random.below(30); count > 0; count--) {
        raw.send(random.chance(30) ? random.bytes(random.below(3000)) : random.pick(pieces));
      }
      if (random.chance(50)) await new Promise((resolve) => setImmediate(resolve));
      raw.end();
    }
    expect(machine.handle.status).toBe('running');
    const client = await ControlClient.open('web1');
    expect(await client.request('status', undefined)).toMatchObject({ status: 'running' });
    client.close();
  });
});
