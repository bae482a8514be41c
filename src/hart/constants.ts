/** Names from the privileged architecture (version 20240411). */

/** Exception causes (3.1.15, table 14). */
export const Cause = {
  fetchMisaligned: 0,
  fetchAccess: 1,
  illegalInstruction: 2,
  breakpoint: 3,
  loadMisaligned: 4,
  loadAccess: 5,
  storeMisaligned: 6,
  storeAccess: 7,
  userEcall: 8,
  supervisorEcall: 9,
  machineEcall: 11,
  fetchPageFault: 12,
  loadPageFault: 13,
  storePageFault: 15,
} as const;

/** Kinds of access, as generated code passes them. */
export const Access = { fetch: 0, load: 1, store: 2 } as const;

/** An atomic memory operation, where the difference to a store matters: it does both. */
export const ACCESS_ATOMIC = Access.load | Access.store;

export const Privilege = { U: 0, S: 1, M: 3 } as const;

/** mstatus (3.1.6). */
export const MSTATUS_SIE = 1n << 1n;
export const MSTATUS_MIE = 1n << 3n;
export const MSTATUS_SPIE = 1n << 5n;
export const MSTATUS_MPIE = 1n << 7n;
export const MSTATUS_SPP = 1n << 8n;
export const MSTATUS_MPP = 3n << 11n;
export const MSTATUS_FS = 3n << 13n;
export const MSTATUS_MPRV = 1n << 17n;
export const MSTATUS_SUM = 1n << 18n;
export const MSTATUS_MXR = 1n << 19n;
export const MSTATUS_TVM = 1n << 20n;
export const MSTATUS_TW = 1n << 21n;
export const MSTATUS_TSR = 1n << 22n;
export const MSTATUS_UXL_64 = 2n << 32n;
export const MSTATUS_SXL_64 = 2n << 34n;
export const MSTATUS_SD = 1n << 63n;

/** mip and mie bits (3.1.9). */
export const SSIP = 1n << 1n;
export const MSIP = 1n << 3n;
export const STIP = 1n << 5n;
export const MTIP = 1n << 7n;
export const SEIP = 1n << 9n;
export const MEIP = 1n << 11n;

/** menvcfg (3.1.18); senvcfg has the same low bits. */
export const ENVCFG_FIOM = 1n;
export const ENVCFG_CBIE = 3n << 4n;
export const ENVCFG_CBCFE = 1n << 6n;
export const ENVCFG_CBZE = 1n << 7n;
/** Svadu: A and D bits of page-table entries are set by the hart. */
export const ENVCFG_ADUE = 1n << 61n;
export const ENVCFG_STCE = 1n << 63n;

/** satp (11.1.11). */
export const SATP_MODE_BARE = 0;
export const SATP_MODE_SV39 = 8;
export const SATP_MODE_SV48 = 9;

/** Page table entry (11.3.1). */
export const PTE_V = 1n;
export const PTE_R = 2n;
export const PTE_W = 4n;
export const PTE_X = 8n;
export const PTE_U = 16n;
export const PTE_G = 32n;
export const PTE_A = 64n;
export const PTE_D = 128n;

/** TRAP_CAUSE when a debugger's stop is raised in place of an exception; no cause of the architecture. */
export const CAUSE_DEBUG_STOP = 1 << 16;

/** Why the run loop returned. */
export const Exit = {
  /** BRANCHES reached SLICE_END, or EXIT_REQUEST was set. */
  slice: 0,
  /** `wfi` waits. */
  waiting: 1,
  /** An environment call for the built-in SBI; pc is that of the `ecall`. */
  sbi: 2,
  /** The stepping interpreter reached STOP_PC or did its one instruction. */
  stepped: 3,
  /** A debugger's breakpoint or watchpoint; pc is that of the instruction, of which nothing was done. */
  debug: 4,
} as const;
