/**
 * The packages from npm. What is installed is told by the list that npm itself writes at the end of an installation.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { diskIsFull, during, lastLines, ROOT, run, SetupError, writeProblem } from './common.mjs';

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(join(ROOT, path), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

const INSTALLED = 'node_modules/.package-lock.json';

/** True when every package of the lock file is installed in its version. Optional ones depend on the platform. */
export function dependenciesAreThere() {
  const wanted = readPackages('package-lock.json');
  const installed = readPackages(INSTALLED);
  if (wanted === undefined || installed === undefined) return false;
  return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true;
    const found = installed[path];
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity;
  });
}

const NETWORK_CODES = /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ERR_SOCKET_TIMEOUT|network/;

function explain(output) {
  const problem = writeProblem(output);
  if (problem !== undefined) return problem;
  if (NETWORK_CODES.test(output))
    return "The npm registry can't be reached; look at the network and at npm's settings.";
  return undefined;
}

export async function installDependencies() {
  // npm gives the path of its own script to what it runs.
  const script = process.env.npm_execpath;
  const [command, prefix] = script?.endsWith('.js') ? [process.execPath, [script]] : ['npm', []];
  const args = [...prefix, 'ci', '--no-audit', '--no-fund', '--no-progress'];
  const { status, output } = await during('installing dependencies with npm', () =>
    run(command, args, { env: { npm_config_update_notifier: 'false' } }),
  );
  if (status === 0 && !diskIsFull()) return;
  // On a full disk npm may end well and leave cut files behind; without this list they are not taken for whole.
  rmSync(join(ROOT, INSTALLED), { force: true });
  const sentences = [
    'npm ci failed.',
    explain(output),
    output.trim() === '' ? undefined : `It said:\n${lastLines(output)}`,
  ];
  throw new SetupError(sentences.filter((sentence) => sentence !== undefined).join(' '));
}
