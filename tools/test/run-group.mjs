/** Runs a program in a process group of its own, so that nothing of it outlives the run, however that ends. */
import { spawn } from 'node:child_process';
import { ROOT } from '../setup/common.mjs';

export function runGroup(command, args, env) {
  const child = spawn(command, args, { cwd: ROOT, env, detached: true, stdio: ['ignore', 'inherit', 'inherit'] });
  const end = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It has ended.
    }
  };
  const stop = () => end('SIGTERM');
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('SIGHUP', stop);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      end('SIGKILL');
      resolve(status ?? 128);
    });
  });
}
