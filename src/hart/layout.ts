import { invariant } from '../common/invariant.ts';

/**
 * The only definition of where a hart's state lies. A hart is a block of `HART_BYTES` in the machine's memory;
 * generated code gets its address as the parameter `hart`, so that one module serves every hart of every machine in
 * that memory. All fields are little-endian; 64-bit fields are 8-byte aligned.
 *
 *     0x0000  x[32]      integer registers; x0 holds 0
 *     0x0100  f[32]      floating-point registers; binary32 values are NaN-boxed
 *     0x0200  scalars    pc, counters, control and status registers
 *     0x0800  spaces     SPACE_COUNT satp values: the address spaces that translations are kept for
 *     0x1000  data TLB   DATA_TLB_ENTRIES of TLB_ENTRY_BYTES
 *     0x11000 fetch TLB  FETCH_TLB_ENTRIES of TLB_ENTRY_BYTES
 *
 * What is `derived` below follows from the rest and is no part of a saved state.
 */
export const X_REGISTERS = 0x000;
export const F_REGISTERS = 0x100;

const SCALARS = 0x200;
let next = SCALARS;

/** One 64-bit field. 32-bit uses read its low half. */
function field(count = 1): number {
  const offset = next;
  next += 8 * count;
  return offset;
}

// Execution
export const PC = field();
/** Counted transfers so far; with `pc` it is the execution point. */
export const BRANCHES = field();
/** Instructions retired. */
export const INSTRET = field();
/** Privilege mode: 0 U, 1 S, 3 M. */
export const PRIVILEGE = field();
/** 1 while a `wfi` waits for an interrupt. */
export const WAITING = field();
/** 1 when the hart stands at a counted transfer whose interrupts are not looked at yet. */
export const EVENT_PENDING = field();
/** 1 when an interrupt line changed and the next counted transfer must look at it. */
export const LINES_CHANGED = field();
/** LR/SC: the reserved physical address, or -1, and the value that was read there. */
export const RESERVATION_ADDRESS = field();
export const RESERVATION_VALUE = field();

// Guest time (see timer.ts)
export const TIME_BASE_TICKS = field();
export const TIME_BASE_BRANCHES = field();
/** Ticks per branch, as a fixed-point number with TIME_FRACTION_BITS. */
export const TIME_RATE = field();
export const MTIMECMP = field();

// Control and status registers
export const MSTATUS = field();
export const MEDELEG = field();
export const MIDELEG = field();
export const MIE = field();
/** Bits of mip that software may write: SSIP, STIP, SEIP. */
export const MIP_SOFTWARE = field();
/** Bits of mip that lines and timers set: MSIP, MTIP, MEIP, SEIP, and STIP under Sstc. */
export const MIP_LINES = field();
export const MTVEC = field();
export const MCOUNTEREN = field();
export const MCOUNTINHIBIT = field();
export const MSCRATCH = field();
export const MEPC = field();
export const MCAUSE = field();
export const MTVAL = field();
export const MENVCFG = field();
export const MSECCFG = field();
export const STVEC = field();
export const SCOUNTEREN = field();
export const SSCRATCH = field();
export const SEPC = field();
export const SCAUSE = field();
export const STVAL = field();
export const SATP = field();
export const SENVCFG = field();
export const STIMECMP = field();
export const FFLAGS = field();
export const FRM = field();
/** mcycle and minstret read as the counter plus this (modulo 2^64). */
export const MCYCLE_OFFSET = field();
export const MINSTRET_OFFSET = field();
/** 16 configuration bytes, then 16 addresses. */
export const PMPCFG = field(2);
export const PMPADDR = field(16);
export const PMP_ENTRIES = 16;
/** 1: environment calls from S-mode leave the run loop for the built-in SBI. */
export const SBI_CALLS = field();
export const SAVED_END = next;

// Derived
/** The run loop looks up when BRANCHES reaches this. */
export const STOP_BRANCHES = field();
/** The run loop returns at the first counted transfer at or after this. */
export const SLICE_END = field();
/** Guest time at which a device wants to be looked at; the run loop returns then. All ones: never. */
export const DEVICE_DEADLINE = field();
/** 1: leave at the next counted transfer. */
export const EXIT_REQUEST = field();
/**
 * What a debugger waits for: DEBUG_WATCHPOINTS, DEBUG_BREAKPOINTS. Looked at only where the host half of a TLB entry is
 * missing.
 */
export const DEBUG_STOPS = field();
export const DEBUG_WATCHPOINTS = 1;
export const DEBUG_BREAKPOINTS = 2;
/** Ids of the current address space and mode, for data accesses and for fetches; the low 12 bits of a TLB tag. */
export const DATA_CONTEXT = field();
export const FETCH_CONTEXT = field();
/** Privilege that data accesses are made with (MPRV). */
export const DATA_PRIVILEGE = field();
/** The exception being raised. */
export const TRAP_CAUSE = field();
export const TRAP_VALUE = field();
export const TRAP_PENDING = field();
/** Range of virtual addresses that superpage translations were kept for; empty when low > high. */
export const SUPERPAGE_LOW = field();
export const SUPERPAGE_HIGH = field();
/** The satp that was current last, and its number among the spaces. 0: none. */
export const LAST_SATP = field();
export const LAST_SPACE = field();
/** Which entry of the spaces table is given out next. */
export const NEXT_SPACE = field();
/** 1 when every access of S and U is allowed by PMP and no entry is locked. */
export const PMP_OPEN = field();
/** Set by the MMIO imports: 0 done, 1 nothing answers at that address. */
export const MMIO_FAULT = field();
/** The bits of the instruction that was decoded into the crossing page last. */
export const CROSSING_BITS = field();
/** What the slot for instructions across pages holds; 0: nothing of use. */
export const CROSSING_KEY = field();
/** The host's decoded page with the page-crossing slot. */
export const CROSSING_PAGE = field();
/** Address of the table of decoded instructions (execute/interpreter/decode-table.ts). */
export const DECODE_TABLE = field();
/** The frame that was fetched from last. */
export const FETCHED_FRAME = field();
/** Address of the machine's guest-physical map (memory/layout.ts). */
export const MAP_ROOT = field();
/** Guest RAM in pages. */
export const RAM_PAGES = field();
/** Host frame of the code page that runs, and the frame table's address. */
export const CODE_FRAME = field();
export const FRAME_TABLE = field();
/** Address of the frames' versions (memory/arena.ts). */
export const FRAME_VERSIONS = field();
/**
 * With the stepping interpreter: it returns before the instruction at this pc. -1: it returns after one instruction.
 */
export const STOP_PC = field();
/** A place that control came to this often is reported as hot; 0: never (but for a call every 65536 times). */
export const HOT_THRESHOLD = field();
/** Returns of translated code to the interpreter, by RegionExit (hart/decoded-slots.ts). Only for statistics. */
export const REGION_EXIT_COUNTS = field(8);
/** Instructions that translated code retired. */
export const TRANSLATED_INSTRUCTIONS = field();
/** 1 when translated code came to the execution point that the run loop stopped at last. */
export const STOPPED_IN_REGION = field();
/** Bits of menvcfg that software can change. The board's version says which: machine/hart-ports.ts. */
export const MENVCFG_WRITABLE = field();

export const SPACES = 0x800;
invariant(next <= SPACES, `the hart's scalars end before the spaces table: at ${next}`);
export const SPACE_COUNT = 64;

/**
 * TLB entry. Data:
 *
 *     0   read tag   i64  virtual page | DATA_CONTEXT where loads may use the host address, else -1
 *     8   write tag  i64  the same for stores
 *     16  tag        i64  the translation below is valid for this page and context
 *     24  addend     i32  host address = low half of the virtual address + addend
 *     28  page       u32  physical page number << 2 | TLB_READ | TLB_WRITE
 *
 * The first two say what the host allows now (copy-on-write, translated code, MMIO revoke them); the third is the
 * guest's. Revoking host permission therefore never causes a new page walk, which the guest could notice.
 * Fetch: the read tag allows running the decoded page at `addend`; the rest is alike.
 */
export const TLB_ENTRY_BYTES = 32;
export const TLB_READ_TAG = 0;
export const TLB_WRITE_TAG = 8;
export const TLB_TAG = 16;
export const TLB_ADDEND = 24;
export const TLB_PAGE = 28;
export const TLB_READ = 1;
export const TLB_WRITE = 2;

export const DATA_TLB = 0x1000;
export const DATA_TLB_ENTRIES = 2048;
export const FETCH_TLB = DATA_TLB + DATA_TLB_ENTRIES * TLB_ENTRY_BYTES;
export const FETCH_TLB_ENTRIES = 256;
export const HART_BYTES = 0x14000;
invariant(SPACES + 8 * SPACE_COUNT <= DATA_TLB, 'the spaces end before the TLBs');
invariant(FETCH_TLB + FETCH_TLB_ENTRIES * TLB_ENTRY_BYTES <= HART_BYTES, 'the TLBs fit the hart block');

/** Saved scalars: [SAVED_START, SAVED_END). */
export const SAVED_START = SCALARS;
