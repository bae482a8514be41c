import { MemoryByteSource } from '../../src/checkpoint/memory-byte-source.ts';
import { nodeCodec } from '../../src/platform/node/codec.ts';
import { Recording } from '../../src/recording/recording.ts';
import { Replayer, type ReplayOptions } from '../../src/recording/replayer.ts';

export function openBytes(bytes: Uint8Array, name = 'the recording'): Recording {
  return Recording.open(new MemoryByteSource(name, bytes), nodeCodec);
}

/** Replays everything, checking digests, and gives what it came to. */
export async function replayAll(recording: Recording, options: Omit<ReplayOptions, 'output'> = {}) {
  let printed = '';
  const decoder = new TextDecoder();
  const replayer = await Replayer.open(recording, {
    ...options,
    output: (_port, bytes) => {
      printed += decoder.decode(bytes, { stream: true });
    },
  });
  const { finish } = replayer.runToEnd();
  const result = { printed, finish, digest: replayer.core.digest(), checked: replayer.checkedDigests };
  replayer.detach().dispose();
  return result;
}
