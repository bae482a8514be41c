/** Numbers of the RISC-V Supervisor Binary Interface, v2.0. */

/** Extensions (EID, in a7), with the chapter that describes each. */
export const SBI_LEGACY_SET_TIMER = 0x00; // 5
export const SBI_LEGACY_CONSOLE_PUTCHAR = 0x01;
export const SBI_LEGACY_CONSOLE_GETCHAR = 0x02;
export const SBI_LEGACY_CLEAR_IPI = 0x03;
export const SBI_LEGACY_SEND_IPI = 0x04;
export const SBI_LEGACY_REMOTE_FENCE_I = 0x05;
export const SBI_LEGACY_REMOTE_SFENCE_VMA = 0x06;
export const SBI_LEGACY_REMOTE_SFENCE_VMA_ASID = 0x07;
export const SBI_LEGACY_SHUTDOWN = 0x08;
export const SBI_EXT_BASE = 0x10; // 4
export const SBI_EXT_TIME = 0x5449_4d45; // 6
export const SBI_EXT_IPI = 0x73_5049; // 7
export const SBI_EXT_RFENCE = 0x5246_4e43; // 8
export const SBI_EXT_HSM = 0x48_534d; // 9
export const SBI_EXT_SRST = 0x5352_5354; // 10
export const SBI_EXT_DBCN = 0x4442_434e; // 12

/** Errors (table 1). */
export const SBI_SUCCESS = 0n;
export const SBI_ERR_FAILED = -1n;
export const SBI_ERR_NOT_SUPPORTED = -2n;
export const SBI_ERR_INVALID_PARAM = -3n;
export const SBI_ERR_INVALID_ADDRESS = -5n;
export const SBI_ERR_ALREADY_AVAILABLE = -6n;

/** sbi_get_spec_version (4.1): bits 30:24 major, 23:0 minor. */
export const SBI_SPECIFICATION_VERSION = 2n << 24n;
/** sbi_get_impl_id (4.2): "gdwt", which nobody else has taken (4.9). */
export const SBI_IMPLEMENTATION_ID = 0x6764_7774n;
export const SBI_IMPLEMENTATION_VERSION = 1n;

/** Hart states (table 4). */
export const SBI_HART_STATES = {
  started: 0n,
  stopped: 1n,
  'start-pending': 2n,
  'stop-pending': 3n,
  suspended: 4n,
  'suspend-pending': 5n,
  'resume-pending': 6n,
} as const;

/** sbi_hart_suspend types (table 5). */
export const SBI_SUSPEND_RETENTIVE = 0;
export const SBI_SUSPEND_NON_RETENTIVE = 0x8000_0000;

/** sbi_system_reset types and reasons (tables 7 and 8). */
export const SBI_RESET_SHUTDOWN = 0;
export const SBI_RESET_COLD_REBOOT = 1;
export const SBI_RESET_WARM_REBOOT = 2;
export const SBI_RESET_NO_REASON = 0;
export const SBI_RESET_SYSTEM_FAILURE = 1;
/** Reasons from here on mean what implementation and platform say. */
export const SBI_RESET_FREE_REASONS = 0xe000_0000;
