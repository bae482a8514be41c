#!/usr/bin/env node
/** Builds anew what `npm pack` takes along, so that nothing of earlier builds is in it. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './setup/build.mjs';
import { ROOT } from './setup/common.mjs';

rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
await build();
