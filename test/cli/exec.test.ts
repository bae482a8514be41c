/** `godwit exec` and `godwit cp`, with a machine of another process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestImages } from '../support/guest.ts';
import { patient } from '../support/tiers.ts';
import { MAIN } from './support.ts';

const images = await guestImages();
const skipped = 'reason' in images ? images.reason : '';
const BOOT_SECONDS = String(Math.ceil(patient(300_000) / 1000));

describe.skipIf(skipped)(`a machine of another process ${skipped}`, () => {
  let folder: string;
  let machine: ChildProcess;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'godwit-exec-'));
    mkdirSync(join(folder, 'run'), { mode: 0o700 });
    machine = start(['run', '--name', 'box', '--memory', '256M'], ['pipe', 'ignore', 'inherit']);
    for (let tries = 0; (await godwit('ps')).stdout === '' && tries < 600; tries++);
    expect(await godwit('exec', '--wait', BOOT_SECONDS, 'box', '--', 'true')).toMatchObject({ status: 0 });
  });
  afterAll(async () => {
    const ended = new Promise((resolve) => machine.once('exit', resolve));
    machine.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });

  function start(words: readonly string[], stdio: ('pipe' | 'ignore' | 'inherit')[]): ChildProcess {
    const env = { ...process.env, XDG_RUNTIME_DIR: join(folder, 'run') };
    return spawn(process.execPath, [MAIN, ...words], { stdio, env });
  }

  function finish(child: ChildProcess, input?: string | Uint8Array) {
    const [stdout, stderr]: [string[], string[]] = [[], []];
    child.stdout?.on('data', (text) => stdout.push(String(text)));
    child.stderr?.on('data', (text) => stderr.push(String(text)));
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    return new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) => {
      child.once('close', (status) => resolve({ status, stdout: stdout.join(''), stderr: stderr.join('') }));
    });
  }

  const godwit = (...words: string[]) => finish(start(words, ['pipe', 'pipe', 'pipe']));

  it('runs a command there: output and errors apart, and its status', async () => {
    expect(await godwit('exec', 'box', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7')).toEqual({
      status: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(await godwit('exec', '-e', 'A=b', '-w', '/tmp', 'box', 'sh', '-c', 'pwd; echo $A')).toMatchObject({
      stdout: '/tmp\nb\n',
    });
    expect(await godwit('exec', 'box', '--', 'no-such-program')).toMatchObject({ status: 127 });
    expect(await godwit('exec', 'box', '--', 'sh', '-c', 'kill -TERM $$')).toMatchObject({ status: 143 });
  });

  it('passes standard input on with -i, and none without', async () => {
    const input = new Uint8Array(200_000).fill(120);
    const counting = start(['exec', '-i', 'box', '--', 'wc', '-c'], ['pipe', 'pipe', 'pipe']);
    expect(await finish(counting, input)).toMatchObject({ status: 0, stdout: '200000\n' });
    const without = start(['exec', 'box', '--', 'wc', '-c'], ['pipe', 'pipe', 'pipe']);
    expect(await finish(without, input)).toMatchObject({ status: 0, stdout: '0\n' });
    const early = start(['exec', '-i', 'box', '--', 'sh', '-c', 'exit 5'], ['pipe', 'pipe', 'pipe']);
    expect(await finish(early, new Uint8Array(3_000_000))).toMatchObject({ status: 5 });
  });

  it('says what it cannot do, with statuses of its own', async () => {
    expect(await godwit('exec', 'nobox', '--', 'true')).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('No machine "nobox"'),
    });
    expect(await godwit('exec', 'box', '--')).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('no command'),
    });
    expect(await godwit('exec', '-it', 'box', 'sh')).toMatchObject({
      status: 125,
      stderr: expect.stringContaining('no terminal'),
    });
    expect(await godwit('cp', 'a', 'b')).toMatchObject({ status: 2, stderr: expect.stringContaining('NAME:PATH') });
    expect(await godwit('cp', '/nowhere', 'box:/tmp')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('does not exist'),
    });
    expect(await godwit('cp', 'box:/nowhere', folder)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('/nowhere in the guest'),
    });
  });

  it('passes signals on, and kills the command when it is killed itself', async () => {
    const begun = start(['exec', 'box', '--', 'sh', '-c', 'echo begun; sleep 1000'], ['ignore', 'pipe', 'pipe']);
    begun.stdout!.once('data', () => begun.kill('SIGINT'));
    expect(await finish(begun)).toMatchObject({ status: 130, stdout: 'begun\n' });
    const killed = start(['exec', 'box', '--', 'sh', '-c', 'echo begun; sleep 1001'], ['ignore', 'pipe', 'pipe']);
    killed.stdout!.once('data', () => killed.kill('SIGKILL'));
    await finish(killed);
    const count = async () => (await godwit('exec', 'box', '--', 'sh', '-c', 'ps | grep -c "[s]leep 100"')).stdout;
    for (let tries = 0; (await count()) !== '0\n' && tries < 20; tries++);
    expect(await count()).toBe('0\n');
  });

  it('ends quietly when nobody reads its output any more', async () => {
    const endless = start(['exec', 'box', '--', 'yes'], ['ignore', 'pipe', 'pipe']);
    endless.stdout!.once('data', () => endless.stdout!.destroy());
    expect(await finish(endless)).toMatchObject({ status: 141, stderr: '' });
  });

  it('copies files and folders both ways', async () => {
    const content = new Uint8Array(500_000).map((_, i) => (i * 7919) >> 5);
    mkdirSync(join(folder, 'site/sub'), { recursive: true });
    writeFileSync(join(folder, 'site/sub/page'), content);
    expect(await godwit('cp', join(folder, 'site'), 'box:/root')).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await godwit('cp', 'box:/root/site', join(folder, 'back'))).toMatchObject({ status: 0 });
    expect(readdirSync(join(folder, 'back'))).toEqual(['sub']);
    expect(readFileSync(join(folder, 'back/sub/page')).equals(content)).toBe(true);
  });
});
