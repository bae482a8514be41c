#!/usr/bin/env node
/**
 * Builds Berkeley TestFloat, the oracle of the floating-point tests, into the user's cache folder, and prints the path
 * of its vector generator. The sources come from Debian's source package of QEMU, fetched and checked by the apt client
 * of this machine through a private configuration, so that nothing of the system changes and root is not needed. Does
 * nothing but print when that was done before. Exit status 1, with one sentence, when it can't be done here.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'godwit', 'testfloat');
const generator = join(cache, 'testfloat_gen');

class Unavailable extends Error {}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (result.error?.code === 'ENOENT') throw new Unavailable(`the program ${command} is missing`);
  if (result.error) throw new Unavailable(`${command} failed: ${result.error.message}`);
  if (result.status !== 0) {
    const lines = `${result.stdout}\n${result.stderr}`.trim().split('\n');
    throw new Unavailable(`${command} ${args.at(-1)} failed: ${lines.slice(-3).join(' / ')}`);
  }
  return result.stdout;
}

/** This machine's Debian sources, as source-package entries, for both notations (sources.list(5)). */
function writeSources(folder) {
  const parts = '/etc/apt/sources.list.d';
  const files = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  if (existsSync('/etc/apt/sources.list')) files.unshift('/etc/apt/sources.list');
  mkdirSync(join(folder, 'sources.list.d'));
  let found = false;
  for (const [index, file] of files.entries()) {
    const text = sourceEntries(file);
    if (!text) continue;
    found = true;
    writeFileSync(join(folder, 'sources.list.d', `${index}.${file.endsWith('.sources') ? 'sources' : 'list'}`), text);
  }
  if (!found) throw new Unavailable('the apt sources of this machine name no Debian archive');
}

/** Entries of a Debian archive; other vendors' do not carry QEMU's source. */
function sourceEntries(file) {
  const isDebian = (text) => /\/debian(-security)?\/?(\s|$)/m.test(text);
  if (file.endsWith('.sources')) {
    const stanzas = readFileSync(file, 'utf8')
      .replace(/^#.*\n/gm, '')
      .split(/\n\s*\n/)
      .filter((stanza) => isDebian(stanza) && !/^Enabled:\s*no/im.test(stanza))
      .map((stanza) => stanza.trim().replace(/^Types:.*$/m, 'Types: deb-src'));
    return [...new Set(stanzas)].map((stanza) => `${stanza}\n`).join('\n');
  }
  if (!file.endsWith('.list')) return '';
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => /^deb(-src)?\s/.test(line) && isDebian(line))
    .map((line) => line.replace(/^deb(-src)?\s/, 'deb-src '));
  return [...new Set(lines)].map((line) => `${line}\n`).join('');
}

/** Downloads the source package; apt checks its signature chain and checksums. */
function fetchArchive(work) {
  const apt = join(work, 'apt');
  const download = join(work, 'download');
  for (const folder of [apt, join(apt, 'lists'), join(apt, 'cache'), download]) mkdirSync(folder);
  writeSources(apt);
  const options = [
    ['Dir::Etc::sourcelist', '/dev/null'],
    ['Dir::Etc::sourceparts', join(apt, 'sources.list.d')],
    ['Dir::State::lists', join(apt, 'lists')],
    ['Dir::Cache', join(apt, 'cache')],
    ['APT::Sandbox::User', ''],
    ['Acquire::Languages', 'none'],
    ['Acquire::Retries', '1'],
    ['Acquire::http::Timeout', '20'],
    // Without this a failed download of a list is only a warning.
    ['APT::Update::Error-Mode', 'any'],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  run('apt-get', [...options, '-qq', 'update']);
  run('apt-get', [...options, '-qq', '--download-only', '--only-source', 'source', 'qemu'], { cwd: download });
  const archive = readdirSync(download).find((name) => /^qemu_.*\.orig\.tar\./.test(name));
  if (!archive) throw new Unavailable("Debian's source package of QEMU has no orig archive");
  return join(download, archive);
}

/** The folder that holds both packages, wherever this release of QEMU keeps them. */
function unpack(archive, work) {
  const names = run('tar', ['-tf', archive]);
  const found = /^(.*\/)berkeley-testfloat-3\/build\/Linux-x86_64-GCC\/Makefile$/m.exec(names);
  if (!found || !names.includes(`${found[1]}berkeley-softfloat-3/source/RISCV/specialize.h`)) {
    throw new Unavailable("Debian's source package of QEMU does not hold Berkeley TestFloat and SoftFloat");
  }
  const parts = ['berkeley-testfloat-3', 'berkeley-softfloat-3'].map((name) => `${found[1]}${name}`);
  run('tar', ['-xf', archive, '-C', work, ...parts]);
  return join(work, found[1]);
}

function build(folder) {
  const jobs = `-j${availableParallelism()}`;
  const at = (name) => ({ cwd: join(folder, name, 'build', 'Linux-x86_64-GCC') });
  run('make', ['SPECIALIZE_TYPE=RISCV', jobs], at('berkeley-softfloat-3'));
  run('make', [jobs, 'testfloat_gen'], at('berkeley-testfloat-3'));
  return join(at('berkeley-testfloat-3').cwd, 'testfloat_gen');
}

/** Before anything is fetched. */
function checkPrograms() {
  const missing = ['apt-get', 'tar', 'xz', 'make', 'gcc', 'ar'].filter(
    (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).error,
  );
  if (missing.length > 0) throw new Unavailable(`missing: ${missing.join(', ')} (packages build-essential, xz-utils)`);
}

/** What a killed run left behind an hour ago or longer. */
function removeLeftovers() {
  const anHourAgo = Date.now() - 3_600_000;
  for (const name of readdirSync(cache).filter((entry) => entry.startsWith('build-'))) {
    const folder = join(cache, name);
    if (statSync(folder, { throwIfNoEntry: false })?.mtimeMs < anHourAgo)
      rmSync(folder, { recursive: true, force: true });
  }
}

function main() {
  if (existsSync(generator)) return;
  checkPrograms();
  mkdirSync(cache, { recursive: true });
  removeLeftovers();
  const work = mkdtempSync(join(cache, 'build-'));
  process.once('SIGINT', () => {
    rmSync(work, { recursive: true, force: true });
    process.exit(130);
  });
  try {
    console.error('fetching and building Berkeley TestFloat, once');
    const built = build(unpack(fetchArchive(work), work));
    run(built, ['-level', '1', 'f64_to_f32']);
    renameSync(built, generator);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

try {
  main();
  console.log(generator);
} catch (error) {
  if (!(error instanceof Unavailable) && !error.code) throw error;
  console.error(`Berkeley TestFloat is not available: ${error.message}`);
  process.exitCode = 1;
}
