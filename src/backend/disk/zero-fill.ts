import type { ByteFile } from '../../platform/files.ts';

const ZERO_PIECE = new Uint8Array(256 * 1024);

/** Writes zeros over a range in pieces, so that memory stays bounded whatever the length. */
export async function fillWithZeros(file: Pick<ByteFile, 'write'>, offset: number, length: number): Promise<void> {
  for (let done = 0; done < length; ) {
    const piece = Math.min(ZERO_PIECE.length, length - done);
    await file.write(offset + done, ZERO_PIECE.subarray(0, piece));
    done += piece;
  }
}
