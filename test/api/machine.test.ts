/**
 * The library's machine with bare programs: its life, its console, its errors. The thread is the built one in dist/.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MachineOptions } from '../../src/api/index.ts';
import { createDisk, openDisk } from '../../src/backend/disk/live/open-disk.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { chattering, echoing, greeting, sleeping, spinning } from './programs.ts';

const machines: Machine[] = [];

async function create(options: Partial<MachineOptions>): Promise<Machine> {
  const machine = await Machine.create({ memory: '16M', ...options });
  machines.push(machine);
  return machine;
}

async function started(kernel: Uint8Array, options: Partial<MachineOptions> = {}): Promise<Machine> {
  const machine = await create({ kernel, ...options });
  await machine.start();
  return machine;
}

afterEach(async () => {
  await Promise.all(machines.splice(0).map((machine) => machine.stop()));
});

describe('life', () => {
  it('ends with the status of the guest', async () => {
    const machine = await started(greeting('hello\n', 42));
    const end = await machine.finished;
    expect(end).toMatchObject({ reason: 'failure', exitCode: 42 });
    expect(machine.console.transcript).toBe('hello\n');
    expect(machine.status).toBe('ended');
    expect(end.statistics.instructions).toBeGreaterThan(10);
    expect(await machine.stats()).toEqual(end.statistics);
  });

  it('powers off with 0', async () => {
    const machine = await started(greeting('', 0));
    expect(await machine.finished).toMatchObject({ reason: 'power-off', exitCode: 0 });
  });

  it('keeps an exit status within what a process can have', async () => {
    const machine = await started(greeting('', 0x7ff));
    expect((await machine.finished).exitCode).toBe(255);
  });

  it('starts once', async () => {
    const machine = await started(spinning('!'));
    await expect(machine.start()).rejects.toThrow(/cannot be started: it is running already/);
    await machine.stop();
    await expect(machine.start()).rejects.toThrow(/cannot be started: it has ended/);
    await expect(machine.pause()).rejects.toThrow(/it has ended/);
  });

  it('stops before its start, twice, and after its end', async () => {
    const created = await create({ kernel: spinning('') });
    await Promise.all([created.stop(), created.stop()]);
    await created.stop();
    expect(await created.finished).toMatchObject({ reason: 'stopped', exitCode: 0 });
    const ended = await started(greeting('', 3));
    await ended.finished;
    await ended.stop();
    expect((await ended.finished).exitCode).toBe(3);
  });

  it('pauses and goes on', async () => {
    const machine = await create({ kernel: spinning('!') });
    await expect(machine.pause()).rejects.toThrow(/it has not been started/);
    await machine.start();
    await machine.console.waitFor('!');
    await machine.pause();
    await machine.pause();
    const first = await machine.stats();
    await new Promise((resolve) => setTimeout(resolve, 30));
    const second = await machine.stats();
    expect(second.instructions).toBe(first.instructions);
    expect(second.guestMs).toBe(first.guestMs);
    await machine.resume();
    await machine.resume();
    await expect.poll(async () => (await machine.stats()).instructions).toBeGreaterThan(first.instructions);
  });

  it('can be stopped while paused and while idle', async () => {
    const paused = await started(spinning('!'));
    await paused.pause();
    await paused.stop();
    const idle = await started(sleeping());
    await idle.console.waitFor('z');
    await idle.stop();
    expect((await idle.finished).reason).toBe('stopped');
  });

  it('fails with a GodwitError when its thread goes away, for all who wait', async () => {
    const machine = await started(spinning('!'));
    const waiting = expect(machine.console.waitFor('never')).rejects.toMatchObject({ code: 'state' });
    await machine.kill();
    await waiting;
    await expect(machine.finished).rejects.toMatchObject({ name: 'GodwitError', code: 'state' });
    await expect(machine.stats()).rejects.toMatchObject({ name: 'GodwitError' });
    await machine.stop();
    expect(machine.status).toBe('failed');
  });

  it('answers while the guest keeps its hart busy', async () => {
    const machine = await started(spinning('!'));
    await machine.console.waitFor('!');
    const times: number[] = [];
    for (let i = 0; i < 50; i++) {
      const before = performance.now();
      await machine.stats();
      times.push(performance.now() - before);
    }
    times.sort((a, b) => a - b);
    console.log(`control calls at full load: median ${times[25]!.toFixed(1)} ms, slowest ${times[49]!.toFixed(1)} ms`);
    expect((await machine.stats()).busyMs).toBeGreaterThan(0);
  });
});

describe('console', () => {
  it('sends back what is typed, however much', async () => {
    const machine = await started(echoing());
    let received = '';
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const bytes of machine.console) received += decoder.decode(bytes, { stream: true });
    })();
    const text = Array.from({ length: 20_000 }, (_, i) => `${i}\n`).join('');
    await machine.console.write(text);
    await machine.console.write('q');
    await machine.finished;
    await reading;
    expect(received).toBe(`${text}q`);
  });

  it('finds texts and expressions one after the other', async () => {
    const machine = await started(echoing());
    await machine.console.write('one two two three');
    expect(await machine.console.waitFor('two')).toBe('two');
    expect(await machine.console.waitFor(/t\w+/)).toBe('two');
    expect(await machine.console.waitFor(/t\w+e\b/)).toBe('three');
    await expect(machine.console.waitFor('two', { timeoutMs: 30 })).rejects.toThrow(/did not show "two" in 30 ms/);
    const late = expect(machine.console.waitFor('late')).rejects.toThrow(
      /did not show "late" before the machine ended; its last output is "laq"/,
    );
    await machine.console.write('laq');
    await late;
    await expect(machine.console.write('more')).rejects.toThrow(/has ended/);
  });

  it('holds a guest up whose output nobody takes', async () => {
    const machine = await create({ kernel: chattering() });
    const output = machine.console[Symbol.asyncIterator]();
    await machine.start();
    await output.next();
    const settled = async (): Promise<number> => {
      const { instructions } = await machine.stats();
      await new Promise((resolve) => setTimeout(resolve, 50));
      return (await machine.stats()).instructions - instructions;
    };
    await expect.poll(settled, { timeout: 20_000 }).toBe(0);
    const before = (await machine.stats()).instructions;
    await output.return?.();
    await expect.poll(async () => (await machine.stats()).instructions).toBeGreaterThan(before);
  });

  it('gives each iterator what comes after its making', async () => {
    const machine = await create({ kernel: greeting('hello', 0) });
    const read = async (): Promise<string> => {
      const parts: Uint8Array[] = [];
      for await (const bytes of machine.console) parts.push(bytes);
      return Buffer.concat(parts).toString();
    };
    const both = Promise.all([read(), read()]);
    await machine.start();
    expect(await both).toEqual(['hello', 'hello']);
    expect(await read()).toBe('');
  });

  it('refuses sizes that no terminal has', async () => {
    const machine = await create({ kernel: spinning('') });
    await expect(machine.console.resize(-1, 24)).rejects.toMatchObject({ code: 'usage' });
    await machine.console.resize(132, 43);
  });
});

describe('trace', () => {
  it('shows what executes, filtered', async () => {
    const machine = await create({ kernel: greeting('a', 5), trace: 'sb,lui' });
    let trace = '';
    machine.on('trace', (text) => {
      trace += text;
    });
    await machine.start();
    expect((await machine.finished).exitCode).toBe(5);
    expect(trace.trimEnd().split('\n')).toEqual([
      'S 0000000080200000 100002b7  lui t0,0x10000',
      'S 0000000080200008 00628023  sb t1,0(t0)',
      'S 000000008020000c 001002b7  lui t0,0x100',
      'S 0000000080200010 00053337  lui t1,0x53',
    ]);
  });
});

describe('disks', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'godwit-api-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are locked from the creation of a machine to its end', async () => {
    const path = join(folder, 'locked.qcow2');
    await createDisk(path, { sizeBytes: 1024 ** 2 });
    const machine = await create({ kernel: spinning(''), disks: [{ path }] });
    await expect(create({ kernel: spinning(''), disks: [{ path }] })).rejects.toMatchObject({ code: 'locked' });
    await machine.stop();
    await (await openDisk(path)).close();
  });

  it('are let go of when the machine cannot be made', async () => {
    const path = join(folder, 'free.qcow2');
    await createDisk(path, { sizeBytes: 1024 ** 2 });
    const disks = [{ path }, { path: join(folder, 'missing.qcow2') }];
    await expect(create({ kernel: spinning(''), disks })).rejects.toMatchObject({ code: 'not-found' });
    const tooLarge = create({ kernel: new Uint8Array(32 * 1024 ** 2), disks: [{ path }] });
    await expect(tooLarge).rejects.toMatchObject({ name: 'GodwitError' });
    await (await openDisk(path)).close();
  });
});

describe('options', () => {
  const kernel = spinning('');
  const refused: [name: string, options: object, message: RegExp][] = [
    ['nothing to run', {}, /needs a kernel or firmware/],
    ['an unknown option', { kernel, memroy: '1G' }, /no option "memroy"/],
    ['no memory', { kernel, memory: 0 }, /whole number of MiB/],
    ['half a MiB', { kernel, memory: 1.5 * 1024 ** 2 }, /whole number of MiB/],
    ['a bad size', { kernel, memory: '12 elephants' }, /cannot be "12 elephants"/],
    ['too much memory', { kernel, memory: '4G' }, /can have 3 GiB/],
    ['an initrd alone', { bios: kernel, initrd: kernel }, /initrd is of no use/],
    ['an empty path', { kernel: '' }, /"kernel" is a path/],
    ['an unknown console', { kernel, consolePort: 'vga' }, /no console "vga"/],
    ['two lines of parameters', { kernel, append: 'a\nb' }, /one line/],
    ['a disk without a path', { kernel, disks: [{}] }, /path of its image/],
    ['an unknown disk format', { kernel, disks: [{ path: 'd', format: 'vmdk' }] }, /no disk format "vmdk"/],
    ['a long serial number', { kernel, disks: [{ path: 'd', serial: 'x'.repeat(21) }] }, /serial/],
    ['31 disks', { kernel, disks: Array.from({ length: 31 }, () => ({ path: 'd' })) }, /30 disks/],
    ['a short seed', { kernel, seed: new Uint8Array(5) }, /32 bytes/],
    ['a bad trace filter', { kernel, trace: '0x12-' }, /filtered by "0x12-"/],
    ['a bad terminal', { kernel, terminal: { columns: 1.5, rows: 1 } }, /1.5 columns/],
  ];
  for (const [name, options, message] of refused) {
    it(`refuses ${name}`, async () => {
      const made = Machine.create(options as MachineOptions);
      await expect(made).rejects.toMatchObject({ name: 'GodwitError' });
      await expect(made).rejects.toThrow(message);
    });
  }

  it('says which file is missing or spoilt', async () => {
    await expect(create({ kernel: '/no/such/kernel' })).rejects.toThrow(
      /\/no\/such\/kernel: the folder \/no does not exist/,
    );
    const empty = join(tmpdir(), `godwit-empty-${process.pid}`);
    writeFileSync(empty, '');
    await expect(create({ kernel: empty })).rejects.toMatchObject({ code: 'damaged' });
    rmSync(empty);
  });
});
