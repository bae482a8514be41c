/** Many processes that start at the same moment: each gets its name and its place, in turn. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { echoing } from '../api/programs.ts';
import { patient } from '../support/tiers.ts';
import { type Ended, MAIN, Run } from './support.ts';

const PROCESSES = 20;
const folder = mkdtempSync(join(tmpdir(), 'godwit-many-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it(
  `${PROCESSES} machines that are started at once all run, each under a name of its own`,
  async () => {
    const program = join(folder, 'echoing');
    writeFileSync(program, echoing());
    mkdirSync(join(folder, 'runtime'), { mode: 0o700 });
    const env = { ...process.env, XDG_RUNTIME_DIR: join(folder, 'runtime') };
    const run = (...args: string[]): Run => new Run(process.execPath, [MAIN, ...args], env);
    const machines = Array.from({ length: PROCESSES }, () => run('run', '--json', '--kernel', program));
    const names = await Promise.all(
      machines.map(async (machine) => {
        await machine.shows('"event":"started"');
        return (JSON.parse(machine.output.split('\n')[0]!) as { name: string }).name;
      }),
    );
    expect(new Set(names).size).toBe(PROCESSES);
    const listed = JSON.parse((await run('ps', '--json').ended).stdout) as { name: string }[];
    expect(listed.map(({ name }) => name).sort()).toEqual([...names].sort());
    for (const machine of machines) machine.type('q');
    const ends: Ended[] = await Promise.all(machines.map(({ ended }) => ended));
    expect(ends.map(({ status, stderr }) => ({ status, stderr }))).toEqual(
      machines.map(() => ({ status: 0, stderr: '' })),
    );
  },
  patient(200_000),
);
