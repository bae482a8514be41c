import { LSR_DATA_READY, UART_LSR, UART_RBR_THR_DLL } from '../device/uart/registers.ts';
import { SSIP } from '../hart/constants.ts';
import { MIP_SOFTWARE, STIMECMP } from '../hart/layout.ts';
import { handleEcall } from './boot/sbi/index.ts';
import type { SbiServices } from './boot/sbi/services.ts';
import type { MachineCore } from './core.ts';

const ECALL_BYTES = 4n;

/** Serves the environment call that the hart stands at, and moves it on. */
export function callSbi(core: MachineCore): void {
  const { current: hart } = core;
  hart.pc += ECALL_BYTES;
  handleEcall(
    { id: 0, x: (register) => hart.x(register), setX: (register, value) => hart.setX(register, value) },
    services(core),
  );
}

/** What firmware would do for a supervisor, on a board with one hart. */
function services(core: MachineCore): SbiServices {
  const { current: hart, board, engine } = core;
  const setSoftwareInterrupt = (level: boolean): void => {
    const bits = hart.get(MIP_SOFTWARE);
    hart.put(MIP_SOFTWARE, level ? bits | SSIP : bits & ~SSIP);
    hart.interruptsChanged();
  };
  return {
    hartCount: 1,
    memory: core.ram,
    setTimer: (_hart, deadline) => {
      hart.put(STIMECMP, deadline);
      engine.interpreter.timer_update(hart.address);
      hart.interruptsChanged();
    },
    sendIpi: () => setSoftwareInterrupt(true),
    clearIpi: () => setSoftwareInterrupt(false),
    remoteFence: () => engine.interpreter.tlb_flush_all(hart.address),
    reset: (kind, reason) => {
      const failed = reason !== 'none';
      core.requestFinish(
        kind === 'shutdown' ? { kind: failed ? 'fail' : 'pass', code: failed ? 1 : 0 } : { kind: 'reset', code: 0 },
      );
    },
    consoleWrite: (byte) => core.print(byte),
    consoleRead: () =>
      (board.uart.read(UART_LSR, 1) & LSR_DATA_READY) !== 0 ? board.uart.read(UART_RBR_THR_DLL, 1) : -1,
    hartState: () => 'started',
    hartStart: () => {},
    hartStop: () => core.requestFinish({ kind: 'pass', code: 0 }),
    hartSuspend: () => hart.suspend(),
  };
}
