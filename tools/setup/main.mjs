/**
 * The steps in their order. Those that change the checkout run under a lock, so that several set-ups at once don't
 * meet.
 */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, isBuilt } from './build.mjs';
import { findProgram, ROOT, SetupError, say, writeProblem } from './common.mjs';
import { dependenciesAreThere, installDependencies } from './dependencies.mjs';
import { prepareMaterials } from './materials.mjs';
import { preparePackages } from './packages.mjs';

const LOCKED = 'GODWIT_SETUP_LOCKED';

export async function main(args) {
  try {
    const unknown = args.find((arg) => arg !== '--test');
    if (unknown !== undefined) throw new SetupError(`The set-up has no option ${unknown}; it has --test.`);
    process.exitCode = await setUp(args);
  } catch (error) {
    const known = error instanceof SetupError ? error.message : writeProblem(String(error?.code));
    if (known === undefined) throw error;
    say(known);
    process.exitCode = 1;
  }
}

async function setUp(args) {
  const checkoutIsReady = dependenciesAreThere() && (await isBuilt());
  if (!checkoutIsReady) {
    if (process.env[LOCKED] !== '1') {
      const status = await runLocked(args);
      if (status !== undefined) return status;
    }
    // Another set-up may have done it while this one waited for the lock.
    if (!dependenciesAreThere()) await installDependencies();
    await build();
  }
  if (args.includes('--test')) {
    await preparePackages();
    await prepareMaterials();
  }
  return 0;
}

const HELD_BY_ANOTHER = 75;

/**
 * Runs this set-up again under flock(1), which waits for others. Undefined where there is no flock: then it runs
 * without.
 */
async function runLocked(args) {
  const flock = findProgram('flock');
  if (flock === undefined) return undefined;
  const folder = join(ROOT, '.cache');
  mkdirSync(folder, { recursive: true });
  const script = fileURLToPath(new URL('../setup.mjs', import.meta.url));
  const command = [join(folder, 'setup.lock'), process.execPath, script, ...args];
  const status = await runAttached(flock, ['--close', '--nonblock', '-E', `${HELD_BY_ANOTHER}`, ...command]);
  if (status !== HELD_BY_ANOTHER) return status;
  say('waiting for another set-up to finish');
  return runAttached(flock, ['--close', ...command]);
}

function runAttached(command, args) {
  const child = spawn(command, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, [LOCKED]: '1' },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve(status ?? 128));
  });
}
