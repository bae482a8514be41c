// A process of its own for the kill tests: writes to the disk PATH for ever while it takes checkpoints of it, and says
// what it does:
//
//     issue BLOCK:VERSION ...   these writes begin        zero BLOCK:VERSION ...   these blocks are made zero
//     done BLOCK:VERSION ...    the disk acknowledged them
//     flushed                   all that is done is on stable storage
//     switch NUMBER             from here on to an overlay
//     kept NUMBER PATH, copied NUMBER PATH, committed
import { writeSync } from 'node:fs';
import '../../support/platform.ts';
import { LiveDisk } from '../../../src/backend/disk/live/live-disk.ts';
import { Random } from './random.ts';
import { BLOCK_BYTES, BLOCKS, block } from './versions.ts';

const [path = '', seed, firstVersion, keeps] = process.argv.slice(2);
const random = new Random(Number(seed));
let version = Number(firstVersion);
let keepsLeft = Number(keeps);
let number = 0;

function say(text: string): void {
  writeSync(1, `${text}\n`);
}

async function writeForEver(disk: LiveDisk): Promise<never> {
  for (;;) {
    const blocks = new Set(Array.from({ length: 1 + random.below(24) }, () => random.below(BLOCKS)));
    const zero = random.chance(15);
    const items = [...blocks].map((at) => ({ at, version: version++ }));
    const list = items.map((item) => `${item.at}:${item.version}`).join(' ');
    say(`${zero ? 'zero' : 'issue'} ${list}`);
    await Promise.all(
      items.map(({ at, version: written }) =>
        zero ? disk.writeZeroes(at * BLOCK_BYTES, BLOCK_BYTES, true) : disk.write(at * BLOCK_BYTES, block(at, written)),
      ),
    );
    say(`done ${list}`);
    if (random.chance(20)) {
      await disk.flush();
      say('flushed');
    }
    if (random.chance(50)) await new Promise((resolve) => setTimeout(resolve, random.below(3)));
  }
}

async function checkpointForEver(disk: LiveDisk): Promise<never> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, random.below(30)));
    const id = `${firstVersion}-${number++}`;
    const keep = keepsLeft > 0 && random.chance(30);
    const overlay = await disk.prepareOverlay(
      keep ? { parent: 'keep', keptPath: `${path}.kept-${id}` } : { parent: 'copy' },
    );
    if (random.chance(10)) {
      await overlay.cancel();
      continue;
    }
    say(`switch ${id}`);
    const frozen = await overlay.switch();
    if (keep) {
      await frozen.keep();
      keepsLeft -= 1;
      say(`kept ${id} ${frozen.path}`);
      continue;
    }
    const copy = `${path}.copy-${id}`;
    await frozen.copyTo(copy);
    say(`copied ${id} ${copy}`);
    await frozen.commit();
    say('committed');
  }
}

const disk = await LiveDisk.open(path);
say('ready');
await Promise.all([writeForEver(disk), checkpointForEver(disk)]);
