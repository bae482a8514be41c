import { describe, expect, it } from 'vitest';
import { MemoryByteSource } from '../../src/checkpoint/memory-byte-source.ts';
import { nodeCodec } from '../../src/platform/node/codec.ts';
import { Recording } from '../../src/recording/recording.ts';
import { Replayer } from '../../src/recording/replayer.ts';
import { guestImages } from '../support/guest.ts';
import { patient } from '../support/tiers.ts';
import { LiveMachine, MemorySink } from './live-recording.ts';

const BOOT = 'console=ttyS0 quiet cryptomgr.notests';

function open(bytes: Uint8Array): Recording {
  return Recording.open(new MemoryByteSource('the recording', bytes), nodeCodec);
}

describe('a recording', async () => {
  const images = await guestImages();
  const reason = 'reason' in images ? images.reason : undefined;
  const boot = () => ({ ...images, bootArguments: BOOT });

  it.skipIf(reason)(
    'of a whole life replays with every digest right and the same output',
    async () => {
      const machine = await LiveMachine.create({ images: boot() });
      const sink = new MemorySink();
      const recorder = machine.record(sink, { digestEveryMs: 40 });
      void machine
        .shows('~#')
        .then(() => machine.type('for i in 1 2 3; do ls -R /bin | md5sum; done; sleep 1; poweroff\r'));
      const finish = await machine.start();
      await recorder.stop('power-off');
      const recording = open(sink.bytes);
      console.log(sink.bytes.length, recorder.logBytes, recorder.counts, recording.markers.length, recording.notice);
      expect(recording.notice).toBeUndefined();
      expect(recording.digests.length).toBeGreaterThan(3);
      for (const translation of [{}, { enabled: false }]) {
        let printed = '';
        const decoder = new TextDecoder();
        const replayer = await Replayer.open(recording, {
          translation,
          output: (_port, bytes) => (printed += decoder.decode(bytes, { stream: true })),
        });
        expect(replayer.runToEnd()).toEqual({ kind: 'end', finish });
        expect(replayer.core.digest()).toBe(machine.core.digest());
        expect(printed).toBe(machine.printed);
        expect(replayer.checkedDigests).toBe(recording.digests.length);
      }
    },
    patient(120_000),
  );
});
