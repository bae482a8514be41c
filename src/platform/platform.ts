/**
 * What a host is to godwit: Node.js or a browser. A program's entry, and that of each of its threads, says once which
 * it is; services ask for it where they need it. (Passing it through every call would lengthen some hundred of them,
 * and there is never more than one; tests that need another host than theirs install it.)
 */
import { GodwitError } from '../common/errors.ts';
import type { HostClock, HostTimers } from './clock.ts';
import type { Codec } from './codec.ts';
import type { Endpoints } from './endpoints.ts';
import type { FileStore } from './files.ts';
import type { SharedFolders } from './shared-folder.ts';
import type { Streams } from './streams.ts';
import type { Threads } from './threads.ts';
import type { HostTrees } from './trees.ts';

export interface Platform {
  readonly files: FileStore;
  /** Left out where a guest cannot be let into a folder of the host. */
  readonly folders?: SharedFolders;
  readonly threads: Threads;
  readonly clock: HostClock;
  readonly timers: HostTimers;
  readonly codec: Codec;
  /** Undefined where processes cannot reach one another. */
  readonly streams: Streams | undefined;
  /** Left out where programs cannot find one another. */
  readonly endpoints?: Endpoints;
  /** Left out where there are no folders of the user's. */
  readonly trees?: HostTrees;
  /** The interpreter's WebAssembly, generated once for all machines of this program. */
  interpreter(): Promise<WebAssembly.Module>;
  /** Frees what is not needed any more, where the host would take its time. */
  collectGarbage(): void;
  /** What files are written by, such as "godwit 0.1.0". */
  readonly toolName: string;
}

let installed: Platform | undefined;

export function installPlatform(platform: Platform): void {
  installed = platform;
}

export function platform(): Platform {
  if (!installed)
    throw new GodwitError('state', 'No platform is installed.', { hint: "Import 'godwit' itself first." });
  return installed;
}
