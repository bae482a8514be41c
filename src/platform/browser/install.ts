/** Makes the browser the platform of this worker: imported first by src/browser.ts and src/browser-worker.ts. */
import { VERSION } from '../../common/version.ts';
import { portableCodec } from '../../state/portable-codec.ts';
import { installPlatform } from '../platform.ts';
import { browserClock, browserTimers } from './clock.ts';
import { browserFiles } from './files.ts';
import { browserInterpreter } from './interpreter.ts';
import { browserThreads } from './threads.ts';

installPlatform({
  files: browserFiles,
  threads: browserThreads,
  clock: browserClock,
  timers: browserTimers,
  codec: portableCodec,
  streams: undefined,
  interpreter: browserInterpreter,
  collectGarbage: () => {},
  toolName: `godwit ${VERSION}`,
});
