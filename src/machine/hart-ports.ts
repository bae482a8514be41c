import { Access } from '../hart/constants.ts';
import { menvcfgWritable } from '../hart/csr.ts';
import * as L from '../hart/layout.ts';
import type { GuestRam, RamEvents } from '../memory/guest-ram.ts';
import { RAM_BASE } from '../memory/layout.ts';
import type { Board } from './board.ts';
import { RTC } from './boot/memory-map.ts';
import type { DebugStops } from './debug-stops.ts';
import type { Engine } from './engine.ts';
import type { Hart } from './hart.ts';

const PAGE_BYTES = 4096;

/** By the page of RAM. */
function physicalPage(page: number): number {
  return page + RAM_BASE / PAGE_BYTES;
}

/** What a hart and its engine have to know of what happens to RAM. */
export function ramEvents(engine: Engine, hart: Hart): RamEvents {
  const { address } = hart;
  return {
    codeWritten: (frame) => engine.decoded.forget(frame),
    frameReplaced: (page, before, now) => engine.frameReplaced(address, physicalPage(page), before, now),
    frameRevoked: (frame) => engine.decoded.revoked(frame),
    frameFreed: (frame) => engine.decoded.forget(frame),
    // A hart whose TLBs are not filled has no host address to lose.
    writesProtected: () => hart.waitingTranslations ?? engine.interpreter.write_protect(address),
    pagesProtected: (pages) => engine.pagesProtected(address, pages.map(physicalPage)),
    pagesDropped: (pages) => engine.pagesDropped(address, pages.map(physicalPage)),
  };
}

/** The parts of a machine that a hart's accesses reach. */
export interface MachineParts {
  readonly engine: Engine;
  readonly current: Hart;
  readonly ram: GuestRam;
  readonly board: Board;
  readonly stops: DebugStops;
}

/** Lets the hart reach RAM and the board. `timersChanged`: a guest wrote to the clock. */
export function connectHart(machine: MachineParts, timersChanged: () => void): void {
  const { current: hart, engine, ram, stops } = machine;
  const { bus } = machine.board;
  const field = (offset: number, value: number): void => {
    engine.arena.words[(hart.address + offset) >>> 2] = value;
  };
  field(L.MAP_ROOT, ram.mapRoot);
  field(L.RAM_PAGES, ram.pageCount);
  field(L.FRAME_TABLE, engine.arena.frameTable);
  field(L.FRAME_VERSIONS, engine.arena.versions);
  field(L.CROSSING_PAGE, engine.crossingPage);
  field(L.DECODE_TABLE, engine.decodeTable);
  hart.put(L.MENVCFG_WRITABLE, menvcfgWritable({ svadu: machine.board.version.isa.includes('svadu') }));
  const rtcEnd = RTC.base + RTC.sizeBytes;
  engine.connect(hart.address, {
    frameFault: (page, access) => ram.frameFault(page, access === Access.store),
    mmioLoad: (address, width) => (bus.read(address, width) ? bus.low : -1),
    mmioStore: (address, width, value) => {
      const done = bus.write(address, width, value);
      if (address >= RTC.base && address < rtcEnd) timersChanged();
      return done;
    },
    stops,
  });
}
