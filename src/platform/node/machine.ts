import { Worker } from 'node:worker_threads';
import type { FromMachine, ToMachine } from '../../api/actions.ts';
import { MachineHandle } from '../../api/machine.ts';
import { configureMachine, type MachineConfiguration, type MachineOptions } from '../../api/options.ts';
import { fromWireError, toWireError } from '../../api/wire-error.ts';
import { GodwitError } from '../../common/errors.ts';

/** Threads run JavaScript: from TypeScript sources (in tests) the built thread is used. */
function workerUrl(): URL {
  const built = import.meta.url.endsWith('.ts') ? '../../../dist/platform/node/' : './';
  return new URL(`${built}machine-worker.js`, import.meta.url);
}

/**
 * A machine in a thread of this process.
 *
 *     const machine = await Machine.create({ kernel: 'Image', initrd: 'initramfs.cpio', append: 'console=ttyS0' });
 *     await machine.start();
 *     await machine.console.waitFor('# ');
 *     await machine.console.write('poweroff\r');
 *     const { exitCode } = await machine.finished;
 *
 * A machine that was created holds its thread and the locks of its disks until it ends: `stop` it.
 */
export class Machine extends MachineHandle {
  /**
   * Checks the options, opens the files and puts the images into memory; nothing executes yet.
   * @throws GodwitError 'usage' or 'limit' for options that make no sense, and 'not-found', 'denied', 'damaged', 'unsupported',
   * 'locked', 'io' for files. Nothing stays open then.
   */
  static async create(options: MachineOptions): Promise<Machine> {
    const machine = new Machine(await configureMachine(options));
    await machine.ready;
    return machine;
  }

  private readonly ready: Promise<void>;

  private constructor(configuration: MachineConfiguration) {
    const worker = new Worker(workerUrl(), { workerData: configuration, name: 'godwit machine' });
    super({
      post: (message: ToMachine) => worker.postMessage(message),
      terminate: async () => {
        await worker.terminate();
      },
    });
    this.ready = new Promise((resolve, reject) => {
      worker.on('message', (message: FromMachine) => {
        if (message.kind === 'ready') resolve();
        this.receive(message);
      });
      this.finished.catch(reject);
    });
    worker.on('error', (error) => this.fail(fromWireError(toWireError(error))));
    worker.on('exit', () => this.fail(new GodwitError('state', "The machine's thread ended unexpectedly.")));
  }
}
