/** `godwit attach`: on a terminal, on several, and through pipes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { echoing } from '../api/programs.ts';
import { type Ended, godwit, hasScript, MAIN, onTerminal, Run } from './support.ts';

let folder = '';
let kernel = '';
const runs: Run[] = [];
let numbered = 0;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-attach-'));
  kernel = join(folder, 'echoing');
  writeFileSync(kernel, echoing());
});
afterEach(async () => {
  for (const run of runs.splice(0)) {
    run.child.kill('SIGKILL');
    await run.ended;
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Names are the user's, who may have machines. */
function freshName(): string {
  return `attach-${process.pid}-${numbered++}`;
}

function begin(args: readonly string[]): Run {
  const run = new Run(process.execPath, [MAIN, ...args]);
  runs.push(run);
  return run;
}

async function untilListed(name: string, run: Run): Promise<void> {
  while (!(await godwit(['ps'])).stdout.includes(`${name} `)) {
    if (run.child.exitCode !== null) throw new Error(`it ended: ${JSON.stringify(await run.ended)}`);
  }
}

/** A machine without a terminal that sends back what is typed. Ends with "q". */
async function machineNamed(name: string): Promise<Run> {
  const run = begin(['run', '--headless', '--memory', '16M', '--kernel', kernel, '--name', name]);
  await untilListed(name, run);
  return run;
}

/** `godwit attach` on a terminal of its own, with the terminal's settings before and after. */
class Attached {
  private readonly before = join(folder, `before-${numbered++}`);
  private readonly after = join(folder, `after-${numbered++}`);
  readonly pidFile = join(folder, `pid-${numbered++}`);
  readonly run: Run;

  constructor(args: string) {
    const command = `sh -c 'echo $$ > ${this.pidFile}; exec ${process.execPath} ${MAIN} ${args}'`;
    this.run = onTerminal(`stty -a > ${this.before}; ${command}; status=$?; stty -a > ${this.after}; exit $status`);
    runs.push(this.run);
  }

  /** The terminal is as it was. */
  async ended(): Promise<Ended> {
    const ended = await this.run.ended;
    const settings = readFileSync(this.before, 'utf8');
    expect(settings).toMatch(/\bicanon\b/);
    expect(readFileSync(this.after, 'utf8')).toBe(settings);
    return ended;
  }
}

describe.skipIf(!hasScript)('on a terminal', () => {
  it('shows what was printed before, types, detaches, and comes back', async () => {
    const name = freshName();
    const machine = await machineNamed(name);
    const first = new Attached(`attach ${name}`);
    await first.run.shows('Ctrl-A d detaches');
    first.run.type('hello\x03;');
    await first.run.shows('hello\x03;');
    await machine.shows('hello\x03;');
    first.run.type('\x01h');
    await first.run.shows('Ctrl-A Ctrl-A  send Ctrl-A');
    first.run.type('\x01s');
    await first.run.shows('million instructions');
    first.run.type('\x01p');
    await first.run.shows('the machine is paused');
    first.run.type('\x01p');
    await first.run.shows('the machine goes on');
    first.run.type('\x01d');
    const { status, stdout } = await first.ended();
    expect(status).toBe(0);
    expect(stdout).toContain(`godwit attach ${name}`);
    const second = new Attached(`console ${name}`);
    await second.run.shows('hello\x03;');
    second.run.type('more\x01\x01;');
    await second.run.shows('more\x01;');
    second.run.type('q');
    expect((await second.ended()).status).toBe(0);
    expect((await machine.ended).status).toBe(0);
  });

  it('several see and type the same; a signal ends one of them, and leaves the terminal as it was', async () => {
    const name = freshName();
    await machineNamed(name);
    const [one, other] = [new Attached(`attach ${name}`), new Attached(`attach ${name}`)];
    await one.run.shows('Ctrl-A d detaches');
    await other.run.shows('Ctrl-A d detaches');
    one.run.type('one;');
    await Promise.all([one.run.shows('one;'), other.run.shows('one;')]);
    other.run.type('other;');
    await Promise.all([one.run.shows('other;'), other.run.shows('other;')]);
    process.kill(Number(readFileSync(one.pidFile, 'utf8')), 'SIGTERM');
    expect((await one.ended()).status).toBe(143);
    other.run.type('\x01x');
    expect((await other.ended()).status).toBe(0);
    expect((await godwit(['stop', name])).status).toBe(0);
  });

  it('a terminal that runs a machine cannot leave it, and says how others come to it', async () => {
    const name = freshName();
    const own = new Attached(`run --memory 16M --kernel ${kernel} --name ${name}`);
    await own.run.shows('Ctrl-A x quits');
    own.run.type('a;\x01d');
    await own.run.shows(`godwit attach ${name}`);
    const other = new Attached(`attach ${name}`);
    await other.run.shows('a;');
    other.run.type('b;');
    await own.run.shows('b;');
    own.run.type('\x01x');
    expect((await own.ended()).status).toBe(0);
    expect((await other.ended()).status).toBe(0);
  });
});

describe('through pipes', () => {
  it('types what comes, prints what the machine prints, and ends with its status', async () => {
    const name = freshName();
    const machine = await machineNamed(name);
    const looking = begin(['attach', '--no-input', name]);
    looking.type('unheard');
    const piped = begin(['attach', name]);
    piped.type('\x01hello;');
    // Each may start as late as it likes: what was printed before is shown.
    await Promise.all([piped.shows('\x01hello;'), looking.shows('hello;')]);
    piped.child.stdin.end('q');
    expect(await piped.ended).toMatchObject({ status: 0, stderr: '' });
    expect(piped.output.startsWith('\x01hello;')).toBe(true);
    const { status, stdout, stderr } = await looking.ended;
    expect({ status, stderr, heard: stdout.includes('unheard') }).toEqual({ status: 0, stderr: '', heard: false });
    expect((await machine.ended).status).toBe(0);
  });

  it('reaches each of several forks', async () => {
    const name = freshName();
    await machineNamed(name);
    const store = join(folder, 'store');
    const forks = begin(['checkpoint', 'fork', '--machine', name, '--name', `${name}-f`, '-n', '2', '--store', store]);
    await untilListed(`${name}-f-2`, forks);
    for (const number of [1, 2]) {
      const piped = begin(['attach', `${name}-f-${number}`]);
      piped.type(`fork ${number};`);
      await piped.shows(`fork ${number};`);
      piped.type('q');
      expect((await piped.ended).status).toBe(0);
    }
    expect((await forks.ended).status).toBe(0);
    expect((await godwit(['stop', name])).status).toBe(0);
  });

  it('fails when the process of the machine is killed', async () => {
    const name = freshName();
    const machine = await machineNamed(name);
    const piped = begin(['attach', name]);
    piped.type('hello;');
    await piped.shows('hello;');
    machine.child.kill('SIGKILL');
    const { status, stderr } = await piped.ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(/ended, or its process did/);
  });

  it('says when there is no such machine', async () => {
    const { status, stderr } = await godwit(['attach', freshName()]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^godwit: No machine ".*" is running\.\n"godwit ps" lists/);
  });
});
