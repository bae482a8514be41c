// A process of its own for the lock tests: opens PATH as "shared" or "exclusive", says "held" or the error's code, and lets
// go when its input ends.
import { NodeByteFile } from '../../../src/platform/node/byte-file.ts';

const [path, mode] = process.argv.slice(2);
try {
  const file = await NodeByteFile.open(path!, { readonly: mode === 'shared' });
  process.stdout.write('held\n');
  process.stdin.resume();
  process.stdin.on('end', () => void file.close());
} catch (error) {
  process.stdout.write(`${(error as { code: string }).code}\n`);
}
