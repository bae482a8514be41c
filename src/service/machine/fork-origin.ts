import type { MachineConfiguration } from '../../api/options.ts';
import type { MachineCore } from '../../machine/core.ts';
import { bootImages } from '../../machine/linux.ts';
import type { PageSource } from '../../memory/page-source.ts';
import { resetFrom } from '../checkpoint/checkpointed-machine.ts';
import type { CheckpointPlace } from '../checkpoint/checkpointer.ts';
import { CheckpointStore } from '../checkpoint/store/store.ts';
import { MachineFiles } from './machine-files.ts';
import type { ForkGroupOrigin } from './thread-messages.ts';

interface ForkOriginParts {
  readonly configuration: MachineConfiguration;
  /** What a reset of the guest begins with. */
  readonly load: (core: MachineCore) => void;
  readonly checkpoint?: CheckpointPlace;
  readonly pages?: PageSource;
  readonly files?: MachineFiles;
}

/** What a machine and all its forks go back to, open in one thread. */
export class ForkOrigin {
  readonly configuration: MachineConfiguration;
  readonly load: (core: MachineCore) => void;
  /** What pages come from that no machine has touched. */
  readonly pages: PageSource | undefined;
  private readonly files: MachineFiles | undefined;
  private readonly checkpoint: CheckpointPlace | undefined;

  constructor({ configuration, load, checkpoint, pages, files }: ForkOriginParts) {
    this.configuration = configuration;
    this.load = load;
    this.checkpoint = checkpoint;
    this.pages = pages;
    this.files = files;
  }

  /** The same in another thread. Throws GodwitError when it is gone. */
  static async open({ configuration, checkpoint }: ForkGroupOrigin): Promise<ForkOrigin> {
    if (checkpoint) {
      const store = await CheckpointStore.open({ folder: checkpoint.store });
      const { pages } = await store.openCheckpoint(checkpoint.id);
      return new ForkOrigin({ configuration, checkpoint, pages, load: resetFrom(configuration) });
    }
    const files = await MachineFiles.open(configuration);
    return new ForkOrigin({ configuration, files, load: bootImages(() => files.read()) });
  }

  get description(): ForkGroupOrigin {
    const { configuration, checkpoint } = this;
    return { configuration, ...(checkpoint && { checkpoint }) };
  }

  close(): void {
    this.pages?.close();
    this.files?.close();
  }
}
