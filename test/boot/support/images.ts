/** Small kernels and firmware for tests. */
export interface SegmentSpec {
  address: bigint;
  bytes: Uint8Array;
  memoryBytes?: bigint;
  virtualAddress?: bigint;
  /** PF_X, PF_W, PF_R; default all. */
  flags?: number;
}

/** An ELF64 executable for RISC-V, or another type of file: headers, then the segments' bytes. */
export function elfFile(entry: bigint, segments: readonly SegmentSpec[], type = 2): Uint8Array {
  const headersEnd = 64 + 56 * segments.length;
  const file = new Uint8Array(segments.reduce((sum, { bytes }) => sum + bytes.length, headersEnd));
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, type, true);
  view.setUint16(18, 243, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, entry, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  let offset = headersEnd;
  segments.forEach(({ address, bytes, memoryBytes, virtualAddress, flags = 7 }, index) => {
    const at = 64 + 56 * index;
    view.setUint32(at, 1, true);
    view.setUint32(at + 4, flags, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, virtualAddress ?? address, true);
    view.setBigUint64(at + 24, address, true);
    view.setBigUint64(at + 32, BigInt(bytes.length), true);
    view.setBigUint64(at + 40, memoryBytes ?? BigInt(bytes.length), true);
    file.set(bytes, offset);
    offset += bytes.length;
  });
  return file;
}

/** A Linux Image of `bytes` bytes, filled with 0x5a behind its header. */
export function linuxImage(bytes: number, imageSize: bigint, textOffset = 0x20_0000n): Uint8Array {
  const file = new Uint8Array(bytes).fill(0x5a);
  file.fill(0, 0, 64);
  const view = new DataView(file.buffer);
  view.setBigUint64(8, textOffset, true);
  view.setBigUint64(16, imageSize, true);
  view.setUint32(32, 2, true);
  file.set(new TextEncoder().encode('RISCV'), 48);
  file.set(new TextEncoder().encode('RSC\x05'), 56);
  return file;
}
