import type { ForkOptions, RestoreOptions } from '../../api/checkpoint.ts';
import { MachineHandle } from '../../api/machine.ts';
import {
  configureMachine,
  configureRestore,
  type MachineOptions,
  parseMachineOptions,
  RESTORE_OPTIONS,
} from '../../api/options.ts';
import { platform } from '../../platform/platform.ts';
import { type CopyOptions, type CopyReport, copyIn, copyOut } from '../agent/copy.ts';
import { prewarmedThread } from '../warm/prewarmed-thread.ts';
import { ForkGroup } from './fork-group.ts';
import { FIRST_MACHINE, FIRST_THREAD } from './thread-machines.ts';

/** How many machines this process has restored. */
let restores = 0;

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
  private readonly forkGroup: ForkGroup;
  /** From a state that another machine was in. */
  private readonly goesOn: boolean;
  /** Which of the threads that it shares with its forks it runs in. */
  readonly thread: number;

  /**
   * Checks the options, opens the files and puts the images into memory; nothing executes yet.
   * @throws GodwitError 'usage' or 'limit' for options that make no sense, and 'not-found', 'denied', 'damaged',
   * 'unsupported', 'locked', 'io' for files. Nothing stays open then.
   */
  static async create(options: MachineOptions): Promise<Machine> {
    const parsed = parseMachineOptions(options);
    const configuration = await configureMachine(parsed);
    const forkGroup = new ForkGroup(configuration, await platform().interpreter(), parsed.threads);
    const machine = new Machine(forkGroup, FIRST_THREAD, FIRST_MACHINE, { status: 'created', goesOn: false });
    await forkGroup.ready;
    return machine;
  }

  /**
   * A machine that goes on from a checkpoint, named by its name or id; nothing executes yet. Its memory is read when it
   * is touched, so a large machine is there as soon as a small one. It has random numbers of its own and follows the
   * wall clock, unless told otherwise.
   * @throws GodwitError 'not-found', 'damaged', 'unsupported' for the checkpoint; 'usage', 'locked', 'io' for its disks
   */
  static async restore(
    checkpoint: string,
    options: RestoreOptions & Pick<MachineOptions, 'engine' | 'jitThreshold' | 'without' | 'threads'> = {},
  ): Promise<Machine> {
    const { threads } = RESTORE_OPTIONS.parse(options, 'options');
    const request = configureRestore(checkpoint, options);
    const interpreter = await platform().interpreter();
    const forkGroup = new ForkGroup(request, interpreter, threads);
    const machine = new Machine(forkGroup, FIRST_THREAD, FIRST_MACHINE, { status: 'created', goesOn: true });
    await forkGroup.ready;
    // Where several are restored there will be more.
    if (++restores > 1) prewarmedThread.prepare({ request, interpreter });
    return machine;
  }

  private constructor(
    forkGroup: ForkGroup,
    thread: number,
    machine: number,
    { status, goesOn }: { readonly status: 'created' | 'running'; readonly goesOn: boolean },
  ) {
    super(forkGroup.link(thread, machine), status);
    this.goesOn = goesOn;
    this.forkGroup = forkGroup;
    this.thread = thread;
    forkGroup.attach(thread, machine, this);
  }

  /**
   * Copies a file or a folder into the guest: into the folder `guestPath`, or as `guestPath`, if that is no folder. It
   * belongs to root there. The guest needs an agent, as for `exec`.
   * @throws GodwitError 'not-found', 'denied', 'full', 'io' for files; 'state' when no agent answers
   */
  async copyIn(hostPath: string, guestPath: string, options: CopyOptions = {}): Promise<CopyReport> {
    return await copyIn(this.askAgent, hostPath, guestPath, options);
  }

  /** The other way. What the guest sends is never written outside of `hostPath`. */
  async copyOut(guestPath: string, hostPath: string, options: CopyOptions = {}): Promise<CopyReport> {
    return await copyOut(this.askAgent, guestPath, hostPath, options);
  }

  /**
   * A second machine that goes on from where this one is, in the same memory: they share what neither of them writes. A
   * machine and its forks are spread over as many threads as the computer has processors.
   * It has random numbers of its own, of which its kernel is told, and follows the wall clock, unless told otherwise.
   * Its disks are copy-on-write images that are gone when it ends.
   * A machine that was restored or forked can be forked before it is started; all then go on from the same point. It
   * has no identity to share before, unless it was made with `identity: 'same'`. To read all that forks print, make
   * them with `start: false` and start them when their consoles are read.
   * @throws GodwitError 'usage' for options that make no sense, 'state' when this machine was created and has not been
   * started, or has ended, or has no identity to share yet, 'limit' when their memory is used up
   */
  async fork(options: ForkOptions = {}): Promise<Machine> {
    const { forkGroup } = this;
    const report = await this.requestFork(options, this.goesOn, (send) => forkGroup.fork(this.thread, send));
    const { thread, machine, started } = report;
    return new Machine(forkGroup, thread, machine, { status: started ? 'running' : 'created', goesOn: true });
  }
}
