/**
 * What OpenSBI's fw_dynamic expects behind a2 (include/sbi/fw_dynamic.h). Six little-endian u64:
 *
 *   offset   field       meaning
 *   0        magic       "OSBI"
 *   8        version     2
 *   16       next_addr   where the next stage starts
 *   24       next_mode   its privilege: 1 S-mode, 3 M-mode
 *   32       options     0
 *   40       boot_hart   which hart does the cold boot
 */
export const FIRMWARE_INFO_BYTES = 48;
const MAGIC = 0x4942534fn;
const VERSION = 2n;
const MODE_SUPERVISOR = 1n;

export function firmwareInfo(nextAddress: bigint, bootHart: number): Uint8Array {
  const info = new Uint8Array(FIRMWARE_INFO_BYTES);
  const view = new DataView(info.buffer);
  [MAGIC, VERSION, nextAddress, MODE_SUPERVISOR, 0n, BigInt(bootHart)].forEach((value, index) => {
    view.setBigUint64(8 * index, value, true);
  });
  return info;
}
