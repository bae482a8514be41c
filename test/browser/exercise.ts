/**
 * What Node.js and a browser do alike: a bare-metal program in a machine that is checkpointed, forked, recorded and
 * replayed.
 */
import { MachineCore } from '../../src/machine/core.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { platform } from '../../src/platform/platform.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { openRecording } from '../../src/service/recording/open-recording.ts';
import { Player } from '../../src/service/replay/player.ts';

const MIB = 1024 ** 2;

/** Digests of a core that is typed to at points which follow from its own state. No service takes part. */
export async function coreDigests(kernel: Uint8Array): Promise<string[]> {
  const core = await MachineCore.create({
    memoryBytes: 16 * MIB,
    seed: new Uint8Array(32).fill(7),
    load: bootImages(() => ({ kernel })),
    shared: true,
  });
  const digests: string[] = [];
  for (let i = 1; i <= 20; i++) {
    core.run(BigInt(i * 5000));
    const bytes = new TextEncoder().encode(`line ${i}\n`).subarray(0, core.inputSpace('uart'));
    if (core.acceptsEvents) core.deliver({ kind: 'input', port: 'uart', bytes });
    digests.push(core.digest().toString(16));
  }
  core.dispose();
  return digests;
}

export interface Lived {
  /** What each of the machines printed. */
  readonly parent: string;
  readonly fork: string;
  readonly restored: string;
  /** The recording, for another host to replay. */
  readonly recording: number[];
}

/** A machine through the library and its services. `folder`: where files may be made. */
export async function live(kernel: Uint8Array, folder: string): Promise<Lived> {
  const store = `${folder}/checkpoints`;
  const path = `${folder}/lived.rec`;
  const machine = await Machine.create({ kernel, memory: '16M', consolePort: 'uart', threads: 2 });
  await machine.start();
  await machine.record({ path });
  await machine.console.write('one');
  await machine.console.waitFor('one');
  await machine.checkpoint({ name: 'kept', store });
  const fork = await machine.fork();
  await fork.console.write('-forked-q');
  await fork.finished;
  await machine.console.write('-on-');
  await machine.console.waitFor('-on-');
  await machine.stopRecording();
  await machine.console.write('q');
  await machine.finished;
  const restored = await Machine.restore('kept', { store });
  await restored.start();
  await restored.console.write('-restored-q');
  await restored.finished;
  return {
    parent: machine.console.transcript,
    fork: fork.console.transcript,
    restored: restored.console.transcript,
    recording: [...(await platform().files.read(path))],
  };
}

export interface Replayed {
  readonly printed: string;
  /** How many digests were found right. */
  readonly digests: number;
  readonly branches: string;
}

/** Replays a recording to its end; each of its digests is compared on the way. */
export async function replay(recording: readonly number[], folder: string): Promise<Replayed> {
  const path = `${folder}/${crypto.randomUUID()}.rec`;
  await platform().files.writeWhole(path, [Uint8Array.from(recording)]);
  const opened = await openRecording(path);
  let printed = '';
  const player = await Player.open({
    recording: opened,
    output: async (bytes) => {
      printed += new TextDecoder().decode(bytes);
    },
  });
  player.speed = Number.POSITIVE_INFINITY;
  await player.play();
  const { checkedDigests, core } = player.replayer;
  const { branches } = core.point;
  player.replayer.detach().dispose();
  opened.close();
  return { printed, digests: checkedDigests, branches: branches.toString() };
}
