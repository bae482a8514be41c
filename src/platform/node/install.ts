/**
 * Makes Node.js the platform of this thread: imported first by src/node.ts, src/node-worker.ts and the command line.
 */
import { installPlatform } from '../platform.ts';
import { nodeClock, nodeTimers } from './clock.ts';
import { nodeCodec } from './codec.ts';
import { nodeEndpoints } from './control-folder.ts';
import { nodeFiles } from './files.ts';
import { collectGarbage } from './garbage.ts';
import { prebuiltInterpreter } from './prebuilt-interpreter.ts';
import { nodeSharedFolders } from './shared-folder.ts';
import { nodeStreams } from './streams.ts';
import { nodeThreads } from './threads.ts';
import { toolName } from './tool.ts';
import { nodeTrees } from './trees.ts';

installPlatform({
  files: nodeFiles,
  folders: nodeSharedFolders,
  threads: nodeThreads,
  clock: nodeClock,
  timers: nodeTimers,
  codec: nodeCodec,
  streams: nodeStreams,
  endpoints: nodeEndpoints,
  trees: nodeTrees,
  interpreter: prebuiltInterpreter,
  collectGarbage,
  get toolName() {
    return toolName();
  },
});
