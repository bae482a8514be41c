import type { ShareConfiguration } from '../../api/options.ts';
import { ShareServer } from '../../backend/share/server.ts';
import type { FidTable } from '../../common/9p/fid-table.ts';
import { GodwitError } from '../../common/errors.ts';
import type { ShareBackend, ShareSubmission } from '../../device/virtio/9p/backend.ts';
import type { Virtio9p } from '../../device/virtio/9p/virtio-9p.ts';
import type { ShareDescription } from '../../machine/board.ts';
import { platform } from '../../platform/platform.ts';
import type { SharedFolder } from '../../platform/shared-folder.ts';
import { throwLater } from '../../run/listeners.ts';
import type { OutputGate } from '../../run/output-gate.ts';
import { SharePort, type UndeliveredReply } from './share-port.ts';

/** What the shared folders of a machine are connected to. */
export interface ShareHooks {
  readonly complete: (share: number, id: number, reply: Uint8Array) => void;
  /** Stands before what changes folders. Default: open. */
  readonly gate?: OutputGate | undefined;
}

/** Answers that were on their way to a machine, for what goes on from where it was. */
export type RepliesOnTheirWay = readonly (UndeliveredReply & { readonly share: number })[];

/** The shared folders of one machine: open and connected. */
export class MachineShares {
  readonly configured: readonly ShareConfiguration[];
  private readonly folders: readonly SharedFolder[];
  private readonly gates: SessionGate[];
  private hooks: ShareHooks | undefined;

  /** Opens all folders, or none. Throws GodwitError. */
  static async open(given: readonly ShareConfiguration[] = []): Promise<MachineShares> {
    const configured = given.map((share) => ({ ...share, path: platform().files.absolute(share.path) }));
    const folders: SharedFolder[] = [];
    try {
      for (const { path } of configured) folders.push(await openFolder(path));
      return new MachineShares(configured, folders);
    } catch (error) {
      for (const folder of folders) folder.close();
      throw error;
    }
  }

  private constructor(configured: readonly ShareConfiguration[], folders: readonly SharedFolder[]) {
    this.configured = configured;
    this.folders = folders;
    this.gates = configured.map(() => new SessionGate());
  }

  /** To be called once, before anything is asked of them. */
  connect(hooks: ShareHooks): void {
    this.hooks = hooks;
  }

  get descriptions(): ShareDescription[] {
    return this.configured.map(({ mount }, index) => ({ tag: mount, backend: this.gates[index]! }));
  }

  /**
   * Before the machine runs: it serves from here on, where `devices` are. `replies` were on their way to the machine
   * whose state they are in.
   */
  begin(devices: readonly Virtio9p[], replies: RepliesOnTheirWay = []): void {
    for (const [share, device] of devices.entries()) {
      const pending = device.pendingRequests();
      const ready = replies.filter((reply) => reply.share === share && pending.some(({ id }) => id === reply.id));
      const session = device.session.copy();
      for (const { id, reply } of ready) session.apply(pending.find((one) => one.id === id)!.message, reply);
      const port = this.makePort(share, session);
      this.gates[share]!.open(port);
      for (const reply of ready) port.deliverAgain(reply);
      for (const request of pending) if (!ready.some(({ id }) => id === request.id)) port.submit(request);
    }
  }

  private makePort(share: number, session: FidTable): SharePort {
    const { complete, gate } = this.hooks!;
    const server = new ShareServer({
      folder: this.folders[share]!,
      readonly: this.configured[share]!.readonly,
      session,
    });
    return new SharePort({
      server,
      complete: (id, reply) => complete(share, id, reply),
      failed: throwLater,
      gate,
    });
  }

  private get ports(): SharePort[] {
    return this.gates.flatMap(({ port }) => port ?? []);
  }

  /** Begins nothing more in the folders until `release`, and waits for what has begun. */
  async hold(): Promise<void> {
    await Promise.all(this.ports.map((port) => port.hold()));
  }

  release(): void {
    for (const port of this.ports) port.release();
  }

  /** While they are held. */
  get repliesOnTheirWay(): RepliesOnTheirWay {
    return this.gates.flatMap(({ port }, share) =>
      (port?.undeliveredReplies ?? []).map((reply) => ({ ...reply, share })),
    );
  }

  /**
   * Throws GodwitError('state') for a folder of which nobody said that whoever goes on from a checkpoint finds it, too.
   */
  requireCommon(): void {
    const own = this.configured.find(({ common }) => !common);
    if (!own) return;
    throw new GodwitError('state', `The machine shares the folder ${own.path}, which a checkpoint cannot keep.`, {
      hint: `Start it with --share ${own.path}:${own.mount},common if the folder will be there where it goes on.`,
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.ports.map((port) => port.close()));
    for (const folder of this.folders) folder.close();
  }
}

/** A device's way to its folder, which exists before the device. */
class SessionGate implements ShareBackend {
  port: SharePort | undefined;

  open(port: SharePort): void {
    this.port = port;
  }

  submit(submission: ShareSubmission): void {
    this.port?.submit(submission);
  }

  delivered(id: number): void {
    this.port?.delivered(id);
  }

  fence(): void {
    this.port?.fence();
  }
}

async function openFolder(path: string): Promise<SharedFolder> {
  const { folders } = platform();
  if (folders) return await folders.open(path);
  throw new GodwitError('unsupported', 'Folders can be shared with a guest where godwit runs in Node.js only.', {
    hint: 'Put the files on a disk.',
  });
}
