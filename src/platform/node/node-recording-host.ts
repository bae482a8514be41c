import { deflateRaw, deflateRawSync } from 'node:zlib';
import type { RecordingHost } from '../../recording/host.ts';
import { nodeCodec } from './codec.ts';

/** Less than that is deflated sooner than another thread is asked to. */
const SYNCHRONOUS_BYTES = 4096;
const OPTIONS = { level: 1 } as const;

function deflate(bytes: Uint8Array): Promise<Uint8Array> | Uint8Array {
  if (bytes.length <= SYNCHRONOUS_BYTES) return deflateRawSync(bytes, OPTIONS);
  return new Promise((resolve, reject) => {
    deflateRaw(bytes, OPTIONS, (error, deflated) => (error ? reject(error) : resolve(deflated)));
  });
}

export const nodeRecordingHost: RecordingHost = {
  nowMs: () => performance.now(),
  epochMs: () => Date.now(),
  crc32: nodeCodec.crc32,
  deflate,
  later: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
