/**
 * Decides what goes where in RAM and how the boot hart starts.
 *
 *     RAM base                 firmware, when there is one; else nothing
 *     + text_offset (2 MiB)    kernel
 *       ...
 *     top, page-aligned        initrd
 *     top, 2 MiB-aligned       device tree, with room to grow; then fw_dynamic's structure
 */
import { strToU8 } from 'fflate';
import { GodwitError } from '../../common/errors.ts';
import { type AddressRange, type BoardDescription, boardDeviceTree } from './device-tree.ts';
import type { ElfEntry } from './elf-program.ts';
import { FDT_ALIGNMENT_BYTES } from './fdt.ts';
import { FIRMWARE_INFO_BYTES, firmwareInfo } from './firmware-info.ts';
import { onlyStartsKernel } from './firmware-kind.ts';
import { type BootImage, readBootImage } from './images.ts';
import { LINUX_ALIGNMENT_BYTES, LINUX_COMMAND_LINE_BYTES } from './linux-image.ts';
import { RAM_BASE } from './memory-map.ts';
import { alignUp, type LoadedPiece, RamPlan } from './ram-plan.ts';

const PAGE_BYTES = 4096;
/** Firmware adds nodes to the tree in place. */
const DEVICE_TREE_ROOM_BYTES = 64 * 1024;
/** Everything that is placed freely stays below this, as on QEMU's board: some firmware keeps addresses in 32 bits. */
const PLACEMENT_LIMIT = 0xc000_0000;
/** Where firmware that knows only one address expects the next stage, from the start of RAM. */
const NEXT_STAGE_OFFSET = 0x20_0000;

export interface BootRequest extends Omit<BoardDescription, 'initrd' | 'reservations'> {
  /** Linux Image, ELF or raw instructions; the first two also compressed with gzip. Started in S-mode. */
  readonly kernel?: Uint8Array;
  readonly initrd?: Uint8Array;
  /** M-mode firmware, ELF or raw instructions: started in place of the built-in SBI. */
  readonly bios?: Uint8Array;
  /** Default: as on QEMU's board. */
  readonly elfEntry?: ElfEntry;
}

export interface BootPlan {
  /** Privilege at the first instruction: 'supervisor' with the built-in SBI, 'machine' with firmware. */
  readonly mode: 'machine' | 'supervisor';
  /** Physical address of the first instruction. */
  readonly entry: bigint;
  readonly bootHart: number;
  /** Registers of the boot hart: its number, the device tree, and for fw_dynamic its structure. All others are 0. */
  readonly registers: { readonly a0: bigint; readonly a1: bigint; readonly a2: bigint };
  readonly deviceTree: Uint8Array;
  readonly deviceTreeAddress: bigint;
  readonly initrd: AddressRange | undefined;
  /** What to write, by no particular order; no two overlap and all lie in RAM. */
  readonly pieces: readonly LoadedPiece[];
}

/** Throws GodwitError for files that cannot be started and for too little memory; the hint says how much is needed. */
export function planBoot(request: BootRequest): BootPlan {
  requireMemorySize(request.memoryBytes);
  if (request.initrd?.length === 0) throw new GodwitError('damaged', 'The initrd is an empty file.');
  // The tree holds the initrd's addresses, so only its length is known yet.
  const treeBytes = deviceTreeOf(request, request.initrd && { start: 0n, end: 0n }).length;
  const ram = new RamPlan(request.memoryBytes, placedBytes(request, treeBytes));
  const pieces: LoadedPiece[] = [];
  const { elfEntry = 'lowest-address' } = request;
  const bios = request.bios && placeFirmware({ ram, pieces, elfEntry }, read('the firmware', request.bios, request));
  if (request.bios && !request.kernel && onlyStartsKernel(request.bios, request.memoryBytes)) {
    throw new GodwitError('usage', 'The firmware starts a kernel, and there is none.', { hint: 'Give a kernel, too.' });
  }
  const kernelImage = request.kernel && read('the kernel', request.kernel, request);
  if (kernelImage?.kind === 'linux') requireCommandLine(request.bootArguments ?? '');
  const kernel = kernelImage && placeKernel({ ram, pieces, elfEntry }, kernelImage, bios?.end);
  ram.requireFixedFit();
  const first = bios ?? kernel;
  if (first === undefined) {
    throw new GodwitError('usage', 'There is nothing to boot.', { hint: 'Give a kernel or firmware.' });
  }
  const { deviceTree, deviceTreeAddress, initrd } = placeData(ram, pieces, request, treeBytes);
  const bootHart = request.bootHart ?? 0;
  const info = bios ? placeFirmwareInfo(ram, pieces, kernel?.entry ?? 0n, bootHart) : 0n;
  return {
    mode: bios ? 'machine' : 'supervisor',
    entry: first.entry,
    bootHart,
    registers: { a0: BigInt(bootHart), a1: deviceTreeAddress, a2: info },
    deviceTree,
    deviceTreeAddress,
    initrd,
    pieces,
  };
}

/** What is placed freely, with what alignment costs at most. */
function placedBytes({ initrd }: BootRequest, treeBytes: number): number {
  const tree = treeBytes + DEVICE_TREE_ROOM_BYTES + PAGE_BYTES;
  return tree + alignUp(initrd?.length ?? 0, PAGE_BYTES) + PAGE_BYTES + FIRMWARE_INFO_BYTES;
}

interface Placed {
  readonly entry: bigint;
  /** The first byte behind it. */
  readonly end: number;
}

function read(what: string, file: Uint8Array, { memoryBytes }: BootRequest): BootImage {
  return readBootImage(`T${what.slice(1)}`, file, memoryBytes);
}

/** What programs are put into. */
interface Placing {
  readonly ram: RamPlan;
  readonly pieces: LoadedPiece[];
  readonly elfEntry: ElfEntry;
}

function placeFirmware(placing: Placing, image: BootImage): Placed {
  const what = 'the firmware';
  if (image.kind === 'elf') return placeElf(placing, what, image, RAM_BASE);
  if (image.kind === 'linux' && image.textOffset !== 0n) {
    throw new GodwitError('usage', 'The firmware is a Linux kernel, which does not run in M-mode.', {
      hint: 'Give it as the kernel.',
    });
  }
  return placeAt(placing, what, image, BigInt(RAM_BASE));
}

function placeKernel(placing: Placing, image: BootImage, firmwareEnd: number | undefined): Placed {
  const what = 'the kernel';
  const behindFirmware = alignUp(firmwareEnd ?? RAM_BASE, LINUX_ALIGNMENT_BYTES);
  const usual = Math.max(RAM_BASE + NEXT_STAGE_OFFSET, behindFirmware);
  if (image.kind === 'elf') return placeElf(placing, what, image, usual);
  if (firmwareEnd !== undefined) return placeAt(placing, what, image, BigInt(usual));
  const offset = image.kind === 'linux' ? image.textOffset : BigInt(NEXT_STAGE_OFFSET);
  const alignment = BigInt(LINUX_ALIGNMENT_BYTES);
  const aligned = ((offset + alignment - 1n) / alignment) * alignment;
  return placeAt(placing, what, image, BigInt(RAM_BASE) + aligned);
}

function placeAt({ ram, pieces }: Placing, what: string, image: BootImage, address: bigint): Placed {
  // A Linux kernel clears what lies behind its file itself: that is claimed, and not written.
  const sizeBytes = image.kind === 'linux' ? image.imageBytes : BigInt(image.file.length);
  ram.claim(what, address, sizeBytes);
  pieces.push({ what, address, bytes: image.file, sizeBytes: image.file.length });
  return { entry: address, end: Number(address + sizeBytes) };
}

type ElfImage = BootImage & { kind: 'elf' };

function placeElf({ ram, pieces, elfEntry }: Placing, what: string, image: ElfImage, usual: number): Placed {
  const moved = distance(image, usual);
  let end = RAM_BASE;
  for (const segment of image.segments) {
    const { bytes, memoryBytes } = segment;
    const address = segment.address + moved;
    ram.claim(what, address, memoryBytes);
    pieces.push({ what, address, bytes, sizeBytes: Number(memoryBytes) });
    end = Number(address + memoryBytes);
  }
  const lowest = elfEntry === 'lowest-address' && image.startsWithCode;
  return { entry: moved + (lowest ? image.segments[0]!.address : image.entry), end };
}

/** How far from where its addresses say a program is loaded: what runs anywhere and names no RAM goes where it may. */
function distance({ positionIndependent, segments }: ElfImage, usual: number): bigint {
  const lowest = segments[0]!.address;
  if (!positionIndependent || lowest >= BigInt(RAM_BASE)) return 0n;
  return BigInt(usual) - (lowest & ~BigInt(PAGE_BYTES - 1));
}

interface PlacedData {
  readonly deviceTree: Uint8Array;
  readonly deviceTreeAddress: bigint;
  readonly initrd: AddressRange | undefined;
}

function deviceTreeOf(request: BootRequest, initrd: AddressRange | undefined): Uint8Array {
  const { kernel: _kernel, initrd: _initrd, bios: _bios, elfEntry: _elfEntry, ...board } = request;
  return boardDeviceTree(initrd === undefined ? board : { ...board, initrd });
}

function placeData(ram: RamPlan, pieces: LoadedPiece[], request: BootRequest, treeBytes: number): PlacedData {
  const treeAddress = placeDeviceTree(ram, treeBytes, request.initrd?.length ?? 0);
  const initrd = request.initrd && placeInitrd(ram, pieces, request.initrd, treeAddress);
  const deviceTree = deviceTreeOf(request, initrd);
  const deviceTreeAddress = BigInt(treeAddress);
  pieces.push({ what: 'the device tree', address: deviceTreeAddress, bytes: deviceTree, sizeBytes: deviceTree.length });
  return { deviceTree, deviceTreeAddress, initrd };
}

/** 2 MiB-aligned as on QEMU's board, with room behind it and for the initrd below; in a small memory as it fits. */
function placeDeviceTree(ram: RamPlan, sizeBytes: number, initrdBytes: number): number {
  const what = 'the device tree';
  const roomy = sizeBytes + DEVICE_TREE_ROOM_BYTES;
  for (const alignment of [LINUX_ALIGNMENT_BYTES, PAGE_BYTES]) {
    const address = ram.findHigh(roomy, alignment, PLACEMENT_LIMIT);
    if (address !== undefined && ram.findHigh(initrdBytes, PAGE_BYTES, address) !== undefined) {
      return ram.placeHigh(what, roomy, alignment, PLACEMENT_LIMIT);
    }
  }
  return ram.placeHigh(what, sizeBytes, FDT_ALIGNMENT_BYTES, PLACEMENT_LIMIT);
}

function placeInitrd(ram: RamPlan, pieces: LoadedPiece[], file: Uint8Array, treeAddress: number): AddressRange {
  const what = 'the initrd';
  // Whole pages: Linux gives them back to its allocator after unpacking.
  const pagesBytes = alignUp(file.length, PAGE_BYTES);
  const below = ram.findHigh(pagesBytes, PAGE_BYTES, treeAddress) === undefined ? undefined : treeAddress;
  const address = ram.placeHigh(what, pagesBytes, PAGE_BYTES, below);
  pieces.push({ what, address: BigInt(address), bytes: file, sizeBytes: file.length });
  return { start: BigInt(address), end: BigInt(address + file.length) };
}

function placeFirmwareInfo(ram: RamPlan, pieces: LoadedPiece[], nextAddress: bigint, bootHart: number): bigint {
  const what = "the firmware's start information";
  const address = BigInt(ram.placeHigh(what, FIRMWARE_INFO_BYTES, 8, PLACEMENT_LIMIT));
  const bytes = firmwareInfo(nextAddress, bootHart);
  pieces.push({ what, address, bytes, sizeBytes: bytes.length });
  return address;
}

function requireMemorySize(memoryBytes: number): void {
  if (Number.isSafeInteger(memoryBytes) && memoryBytes > 0 && memoryBytes % PAGE_BYTES === 0) return;
  throw new GodwitError(
    'usage',
    `A machine cannot have ${memoryBytes} bytes of memory: it comes in pages of ${PAGE_BYTES}.`,
  );
}

function requireCommandLine(text: string): void {
  const length = strToU8(text).length;
  if (length < LINUX_COMMAND_LINE_BYTES) return;
  throw new GodwitError(
    'limit',
    `The kernel's command line has ${length} bytes; Linux cuts it after ${LINUX_COMMAND_LINE_BYTES - 1}.`,
  );
}
