/** Commands and files in a real guest: Debian's Linux with our initramfs. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QUICK_BOOT_PARAMETERS } from '../../src/guest/index.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { openRecording, Player } from '../../src/service/replay/index.ts';
import { Random } from '../disk/support/random.ts';
import { guestImages } from '../support/guest.ts';
import { patient } from '../support/tiers.ts';

const images = await guestImages();
const skipped = 'reason' in images ? images.reason : '';
/** A loaded host boots a guest slowly. */
const WAIT = { agentTimeoutMs: patient(300_000) };
const LARGE_BYTES = 20 * 1024 ** 2;

async function boot(options: { readonly agent?: boolean } = {}): Promise<Machine> {
  if ('reason' in images) throw new Error(images.reason);
  const append = ['console=ttyS0', ...QUICK_BOOT_PARAMETERS].join(' ');
  const machine = await Machine.create({ ...images, append, memory: '256M', ...options });
  return machine;
}

describe.skipIf(skipped)(`a guest with an agent ${skipped}`, () => {
  let machine: Machine;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'godwit-agent-'));
    machine = await boot();
    await machine.start();
    // Asked for long before it is there.
    expect((await machine.exec(['uname', '-m'], WAIT)).stdout).toBe('riscv64\n');
  });
  afterAll(async () => {
    await machine?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('runs commands: output and errors apart, status, input, environment, folder, user', async () => {
    const shell = await machine.exec('echo out; echo err >&2; exit 7');
    expect(shell).toMatchObject({ exitCode: 7, signal: null, stdout: 'out\n', stderr: 'err\n' });
    const input = 'x'.repeat(300_000);
    expect((await machine.exec(['md5sum'], { stdin: input })).stdout).toContain(
      createHash('md5').update(input).digest('hex'),
    );
    const where = await machine.exec('pwd; echo "$A $HOME"; id -u', { cwd: '/tmp', env: { A: 'b c' }, user: '12' });
    expect(where.stdout).toBe('/tmp\nb c /\n12\n');
    expect((await machine.exec('echo $PATH $HOME $USER; pwd')).stdout).toContain(':/bin /root root\n/root\n');
    expect(await machine.exec(['cat'])).toMatchObject({ stdout: '', exitCode: 0 });
  });

  it('tells as shells do what cannot be run, and what a signal ended', async () => {
    expect(await machine.exec(['no-such-program'])).toMatchObject({
      exitCode: 127,
      stderr: 'godwit: no-such-program: not found\n',
    });
    expect(await machine.exec(['/etc/passwd'])).toMatchObject({ exitCode: 126 });
    expect(await machine.exec(['true'], { user: 'nobody-here' })).toMatchObject({ exitCode: 126 });
    expect(await machine.exec(['true'], { cwd: '/nowhere' })).toMatchObject({ exitCode: 126 });
    expect(await machine.exec('kill -KILL $$')).toMatchObject({ exitCode: 137, signal: 'SIGKILL' });
    const sleeper = await machine.spawn(['sleep', '1000']);
    await sleeper.kill('INT');
    for await (const _ of sleeper) expect.unreachable();
    expect(await sleeper.exited).toEqual({ exitCode: 130, signal: 'SIGINT' });
  });

  it('kills what nobody waits for any more', async () => {
    const running = async () => (await machine.exec('ps | grep -c "[s]leep 100[0-9]"')).stdout.trim();
    const late = machine.exec('sleep 1001; true', { timeoutMs: 200 });
    await expect(late).rejects.toMatchObject({
      code: 'state',
      message: expect.stringContaining('did not end in 200 ms'),
    });
    const abort = new AbortController();
    const given = machine.exec('sleep 1002; true', { signal: abort.signal });
    setTimeout(() => abort.abort(), 200);
    await expect(given).rejects.toMatchObject({ code: 'state' });
    await expect(machine.exec('yes', { maxBytes: 100_000 })).rejects.toMatchObject({ code: 'limit' });
    for await (const { bytes } of await machine.spawn('yes; sleep 1003')) if (bytes.length > 0) break;
    for (let tries = 0; (await running()) !== '0' && tries < 50; tries++) await new Promise((r) => setTimeout(r, 100));
    expect(await running()).toBe('0');
  });

  it('does several things at a time, and does not wait for what goes on in the background', async () => {
    const commands = [1, 2, 3, 4, 5, 6].map((i) => machine.exec(`for n in 1 2 3; do echo ${i}; sleep 0.05; done`));
    expect((await Promise.all(commands)).map(({ stdout }) => stdout)).toEqual(
      [1, 2, 3, 4, 5, 6].map((i) => `${i}\n`.repeat(3)),
    );
    expect((await machine.exec('sleep 30 & echo done')).stdout).toBe('done\n');
  });

  it('gives a command a terminal of a size, which follows', async () => {
    const process = await machine.spawn('tty; stty size; read line; stty size', {
      terminal: { columns: 100, rows: 30 },
    });
    let text = '';
    let isResized = false;
    for await (const { bytes } of process) {
      text += new TextDecoder().decode(bytes);
      if (!text.includes('30 100\r\n') || isResized) continue;
      isResized = true;
      await process.resize({ columns: 101, rows: 31 });
      await process.write('\r');
    }
    expect(text).toMatch(/\/dev\/pts\/\d+\r\n30 100\r\n\r\n31 101\r\n/);
    expect((await process.exited).exitCode).toBe(0);
  });

  it('takes a large file and gives it back, with checksums on both sides', async () => {
    const content = new Random(5).bytes(LARGE_BYTES);
    const path = join(folder, 'large');
    writeFileSync(path, content, { mode: 0o640 });
    expect(await machine.copyIn(path, '/tmp')).toEqual({ bytes: LARGE_BYTES, skipped: [] });
    const { stdout } = await machine.exec('sha256sum /tmp/large; stat -c %a /tmp/large; ls -A /tmp | wc -l');
    expect(stdout).toBe(`${createHash('sha256').update(content).digest('hex')}  /tmp/large\n640\n1\n`);
    const progress: number[] = [];
    const back = join(folder, 'back');
    await machine.copyOut('/tmp/large', back, { onProgress: ({ doneBytes }) => progress.push(doneBytes) });
    expect(readFileSync(back).equals(content)).toBe(true);
    expect(progress.at(-1)).toBe(LARGE_BYTES);
    await machine.exec('rm /tmp/large');
  });

  it('takes folders and gives them back', async () => {
    const source = join(folder, 'tree');
    mkdirSync(join(source, 'a/b'), { recursive: true });
    for (let i = 0; i < 100; i++) writeFileSync(join(source, 'a', `file ${i}`), `content ${i}`);
    await machine.copyIn(source, '/root/');
    await machine.exec('ln -s a/b /root/tree/link; mkfifo /root/tree/fifo');
    const { skipped: left } = await machine.copyOut('/root/tree', join(folder, 'tree-back'));
    expect(left).toEqual(['/root/tree/fifo']);
    expect(readdirSync(join(folder, 'tree-back')).sort()).toEqual(['a', 'link']);
    expect(readFileSync(join(folder, 'tree-back/a/file 77'), 'utf8')).toBe('content 77');
    expect(readdirSync(join(folder, 'tree-back/a/b'))).toEqual([]);
  });

  it('says what cannot be copied, and leaves no file in part', async () => {
    const path = join(folder, 'small');
    writeFileSync(path, 'small');
    await expect(machine.copyIn(path, '/nowhere/x')).rejects.toMatchObject({
      code: 'not-found',
      message: 'Cannot write /nowhere/x in the guest: it does not exist in the guest.',
    });
    await expect(machine.copyIn(join(folder, 'missing'), '/tmp')).rejects.toMatchObject({ code: 'not-found' });
    await expect(machine.copyOut('/nowhere', folder)).rejects.toMatchObject({ code: 'not-found' });
    await expect(machine.copyOut('/dev/null', folder)).rejects.toMatchObject({ code: 'usage' });
    await machine.exec('mkdir /small && mount -t tmpfs -o size=1m small /small');
    writeFileSync(path, new Random(6).bytes(2 * 1024 ** 2));
    await expect(machine.copyIn(path, '/small')).rejects.toMatchObject({ code: 'full' });
    expect((await machine.exec('ls -A /small')).stdout).toBe('');
    const abort = new AbortController();
    const onProgress = (): void => abort.abort();
    await expect(machine.copyIn(path, '/tmp', { signal: abort.signal, onProgress })).rejects.toMatchObject({
      code: 'state',
    });
    // Taken away by who wrote it, when it is told.
    for (let tries = 0; (await machine.exec('ls -A /tmp')).stdout !== '' && tries < 50; tries++);
    expect((await machine.exec('ls -A /tmp')).stdout).toBe('');
    await machine.exec('dd if=/dev/zero of=/tmp/zero bs=1M count=2');
    const giveUp = new AbortController();
    const target = join(folder, 'zero');
    const stop = (): void => giveUp.abort();
    await expect(
      machine.copyOut('/tmp/zero', target, { signal: giveUp.signal, onProgress: stop }),
    ).rejects.toMatchObject({ code: 'state' });
    expect(existsSync(target)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.startsWith('.godwit'))).toEqual([]);
  });

  it('runs commands in a fork, which does not go on with what its parent had asked for', async () => {
    const parents = await machine.spawn('echo begun; sleep 1004; true');
    const output = parents[Symbol.asyncIterator]();
    await output.next();
    const fork = await machine.fork();
    try {
      await fork.exec('echo fork > /tmp/who');
      expect((await fork.exec('cat /tmp/who; ps | grep -c "[s]leep 1004"')).stdout).toBe('fork\n0\n');
      expect((await machine.exec('ls /tmp/who; ps | grep -c "[s]leep 1004"')).stdout).toMatch(/^[1-9]\n$/);
    } finally {
      await fork.stop();
      await output.return();
    }
  });

  it('runs commands after it was restored from a checkpoint', async () => {
    const store = join(folder, 'store');
    await machine.exec('echo kept > /tmp/kept');
    const going = machine.exec('sleep 3; echo parent');
    const { name } = await machine.checkpoint({ store });
    const restored = await Machine.restore(name, { store });
    try {
      await restored.start();
      expect((await restored.exec('cat /tmp/kept')).stdout).toBe('kept\n');
    } finally {
      await restored.stop();
    }
    expect((await going).stdout).toBe('parent\n');
  });

  it('has its wall clock set by the agent when that starts', async () => {
    await machine.exec('date -s 2001-01-01');
    expect((await machine.exec('date +%Y')).stdout).toBe('2001\n');
    await endAgent(machine);
    const seconds = Number((await machine.exec('date +%s', WAIT)).stdout);
    expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(3600);
  });

  it('goes on with an agent that was killed in the guest', async () => {
    const cut = machine.exec('sleep 1005');
    cut.catch(() => {});
    await endAgent(machine);
    await expect(cut).rejects.toMatchObject({ code: 'state', message: expect.stringContaining('agent in the guest') });
    expect((await machine.exec('echo again', WAIT)).stdout).toBe('again\n');
  });

  it('does nothing while it is paused, and says so', async () => {
    await machine.pause();
    await expect(machine.exec('true')).rejects.toMatchObject({ code: 'state' });
    await machine.resume();
    expect((await machine.exec('true')).exitCode).toBe(0);
  });

  it.each([
    [[], 'usage'],
    ['x'.repeat(70_000), 'limit'],
    [7, 'usage'],
    [['a', 7], 'usage'],
  ] as const)('refuses what is no command: %j', async (command, code) => {
    await expect(machine.exec(command as never)).rejects.toMatchObject({ code });
  });
});

async function endAgent(machine: Machine): Promise<void> {
  const command = 'kill -9 $(ps | sed -n "s/^ *\\([0-9]*\\) .*lib\\/godwit\\/godwit-agent$/\\1/p")';
  await expect(machine.exec(command)).rejects.toMatchObject({ code: 'state' });
}

it.skipIf(skipped)(`is the same in a replay, at every digest ${skipped}`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-agent-'));
  const machine = await boot();
  try {
    const path = join(folder, 'agent.rec');
    writeFileSync(join(folder, 'file'), new Random(7).bytes(300_000));
    await machine.record({ path });
    await machine.start();
    expect((await machine.exec('echo $((6 * 7))', { ...WAIT, stdin: 'x' })).stdout).toBe('42\n');
    await machine.copyIn(join(folder, 'file'), '/tmp');
    await machine.exec('md5sum /tmp/file');
    await machine.stopRecording();
    await machine.stop();
    const recording = await openRecording(path);
    const ports = recording.events.flatMap(({ event }) => (event.kind === 'input' ? [event.port] : []));
    expect(ports).toContain('agent');
    const player = await Player.open({ recording, output: async () => {} });
    player.speed = Number.POSITIVE_INFINITY;
    await player.play();
    expect(player.checkedDigests).toBe(recording.digests.length);
    expect(player.checkedDigests).toBeGreaterThan(0);
    player.close();
    recording.close();
  } finally {
    await machine.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

it.skipIf(skipped)(`is refused in words without an agent ${skipped}`, async () => {
  const machine = await boot({ agent: false });
  try {
    await expect(machine.exec('true')).rejects.toMatchObject({ code: 'state' });
    await machine.start();
    await expect(machine.exec('true')).rejects.toMatchObject({
      code: 'state',
      hint: expect.stringContaining('--no-agent'),
    });
  } finally {
    await machine.stop();
  }
});
