import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { MachineLoop } from '../../src/service/machine/machine-loop.ts';

it('calls back after each round', async () => {
  let rounds = 0;
  const loop = new MachineLoop(() => rounds++);
  await loop.yield();
  await loop.yield();
  expect(rounds).toBe(2);
});

it('is woken from its sleep', async () => {
  const loop = new MachineLoop();
  const sleeping = loop.sleep(2 ** 31 - 1);
  loop.wake();
  await sleeping;
});

it('holds the machine up until all holders have released it', async () => {
  const loop = new MachineLoop();
  const [first, second] = [{}, {}];
  loop.block(first);
  loop.block(second);
  let passed = false;
  const yielding = loop.yield().then(() => {
    passed = true;
  });
  loop.release(first);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(passed).toBe(false);
  loop.release(second);
  await yielding;
});

it('keeps its process alive while the machine sleeps', () => {
  const load = (path: string) => `await import(${JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href)})`;
  const program = `
    ${load('platform/node/install.js')};
    const { MachineLoop } = ${load('service/machine/machine-loop.js')};
    await new MachineLoop().sleep(20);
    console.log('awake');
  `;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(stdout).toBe('awake\n');
});
