// A process of its own for the lock tests: opens PATH as "shared" or "exclusive", says "held" or the error's code, and
// lets go when its input ends. Or: "wait" and so many milliseconds for the lock, says "held" or the error's code, and
// ends.
import { NodeByteFile } from '../../../src/platform/node/byte-file.ts';
import { nodeFiles } from '../../../src/platform/node/files.ts';

const [path, mode, waitMs] = process.argv.slice(2);
try {
  if (mode === 'wait') {
    const lock = await nodeFiles.lock(path!, 'exclusive', { waitMs: Number(waitMs) });
    process.stdout.write('held\n');
    await lock.release();
  } else {
    const file = await NodeByteFile.open(path!, { readonly: mode === 'shared' });
    process.stdout.write('held\n');
    process.stdin.resume();
    process.stdin.on('end', () => void file.close());
  }
} catch (error) {
  process.stdout.write(`${(error as { code: string }).code}\n`);
}
