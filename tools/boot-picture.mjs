#!/usr/bin/env node
/**
 * Makes docs/images/boot.svg: runs `npm start` in a real terminal (tmux), types a few commands when the prompt has
 * come, and draws what then stands on the screen. Needs tmux.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { drawTerminal } from './picture/terminal-svg.mjs';
import { ROOT } from './setup/common.mjs';

const COLUMNS = 118;
const ROWS = 36;
const PROMPT = /root@godwit:~# ?$/;
const COMMANDS = [
  'uname -a',
  'grep -E "^(isa|mmu)" /proc/cpuinfo',
  'free -m',
  'ls /',
  'head -c 1000000 /dev/urandom | md5sum',
];
const WAIT_LIMIT_MS = 120_000;
const socket = `godwit-picture-${process.pid}`;

function tmux(...args) {
  const { status, stdout, stderr, error } = spawnSync('tmux', ['-L', socket, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tmux ${args[0]} failed: ${error?.message ?? stderr}`);
  return stdout;
}

/** Waits until the last line on the screen is a prompt, and it is the `count`-th that came. */
async function prompt(count) {
  const end = Date.now() + WAIT_LIMIT_MS;
  while (Date.now() < end) {
    const lines = tmux('capture-pane', '-p', '-S', '-').trimEnd().split('\n');
    const seen = lines.filter((line) => /root@godwit:~#/.test(line)).length;
    if (seen === count && PROMPT.test(lines.at(-1))) return;
    await sleep(100);
  }
  throw new Error(`No prompt came. The screen:\n${tmux('capture-pane', '-p')}`);
}

async function line(pattern) {
  const end = Date.now() + WAIT_LIMIT_MS;
  while (!pattern.test(tmux('capture-pane', '-p'))) {
    if (Date.now() > end) throw new Error(`${pattern} did not come. The screen:\n${tmux('capture-pane', '-p')}`);
    await sleep(100);
  }
}

try {
  // The settings of this user's npm are no part of the picture, nor are its own news.
  const shell = "npm_config_userconfig=/dev/null npm_config_update_notifier=false PS1='$ ' exec sh -i";
  tmux('-f', '/dev/null', 'new-session', '-d', '-x', `${COLUMNS}`, '-y', `${ROWS}`, '-c', ROOT, shell);
  await sleep(500);
  tmux('send-keys', 'npm start', 'Enter');
  for (const [index, command] of COMMANDS.entries()) {
    await prompt(index + 1);
    tmux('send-keys', '-l', command);
    tmux('send-keys', 'Enter');
  }
  await prompt(COMMANDS.length + 1);
  tmux('send-keys', 'poweroff', 'Enter');
  await line(/Power down\s+\$/);
  await sleep(500);
  const screen = tmux('capture-pane', '-p', '-e').trimEnd();
  const path = join(ROOT, 'docs', 'images', 'boot.svg');
  writeFileSync(path, drawTerminal(screen, { columns: COLUMNS, title: 'npm start' }));
  console.log(path);
} finally {
  spawnSync('tmux', ['-L', socket, 'kill-server']);
}
