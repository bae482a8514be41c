import { spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DONE, DONE_MAGIC, type Image, MEMORY_BYTES, RAM } from './image.ts';

const QEMU = 'qemu-system-riscv64';
const TIMEOUT_MS = 60_000;

/**
 * The processor as like to ours as QEMU can. Its hypervisor extension changes `ecall`; Zicond goes by another name
 * there.
 */
const CPU = 'rv64,h=false,zbc=false,svinval=true,sstc=true,xventanacondops=true';

/** Why there is no QEMU to compare with; empty when there is one. */
export const QEMU_MISSING = spawnSync(QEMU, ['--version']).error ? `(skipped: ${QEMU} is not installed)` : '';

/** Memory-backed where there is such a folder: the file is the guest's RAM. */
function scratchFolder(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}

/** Folders of runs that are under way: what ends early takes them away as well. */
const folders = new Set<string>();
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Runs a program whose RAM is a file, so that what is in it before and after costs no copying over a wire. */
export function runQemu(image: Image, options: readonly string[] = []): Promise<Uint8Array> {
  const result = runProgram(image, options);
  // Whoever waits for it sees a failure; if godwit failed first, nobody does.
  result.catch(() => {});
  return result;
}

async function runProgram(image: Image, options: readonly string[]): Promise<Uint8Array> {
  const folder = mkdtempSync(join(scratchFolder(), 'godwit-differential-'));
  folders.add(folder);
  const path = join(folder, 'ram');
  const file = openSync(path, 'w+');
  try {
    ftruncateSync(file, MEMORY_BYTES);
    for (const { address, data } of image.segments) writeSync(file, data, 0, data.length, address - RAM);
    const said = await untilExit(path, options);
    const done = new Uint8Array(8);
    readSync(file, done, 0, 8, DONE - RAM);
    if (new DataView(done.buffer).getBigUint64(0, true) !== DONE_MAGIC) throw new Error(`QEMU did not finish: ${said}`);
    const result = new Uint8Array(image.resultBytes);
    readSync(file, result, 0, result.length, image.resultAddress - RAM);
    return result;
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true });
    folders.delete(folder);
  }
}

function untilExit(ramPath: string, options: readonly string[]): Promise<string> {
  const ram = `memory-backend-file,id=ram,size=${MEMORY_BYTES},mem-path=${ramPath},share=on`;
  const machine = ['-M', 'virt,memory-backend=ram', '-object', ram, '-m', `${MEMORY_BYTES / 1024 ** 2}M`, '-cpu', CPU];
  const quiet = ['-nodefaults', '-display', 'none', '-bios', 'none', '-no-reboot'];
  const child = spawn(QEMU, [...machine, ...quiet, ...options], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: TIMEOUT_MS,
  });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(`${said} (exit ${code ?? signal})`));
  });
}
