import type {
  RemoteFence,
  SbiHart,
  SbiHartState,
  SbiResetKind,
  SbiResetReason,
  SbiServices,
} from '../../../src/machine/boot/index.ts';
import { ArrayGuestMemory } from '../../device/array-guest-memory.ts';

/** A machine that notes what the SBI asks of it, one line per request. */
export class ServicesDouble implements SbiServices {
  readonly hartCount: number;
  readonly memory = new ArrayGuestMemory(64 * 1024);
  readonly log: string[] = [];
  readonly output: number[] = [];
  input: number[] = [];
  readonly states: SbiHartState[];

  constructor(hartCount = 3) {
    this.hartCount = hartCount;
    this.states = Array.from({ length: hartCount }, (_, hart) => (hart === 0 ? 'started' : 'stopped'));
  }

  setTimer(hart: number, deadline: bigint): void {
    this.log.push(`timer ${hart} ${deadline}`);
  }

  sendIpi(harts: readonly number[]): void {
    this.log.push(`ipi ${harts.join(',')}`);
  }

  clearIpi(hart: number): void {
    this.log.push(`clear ${hart}`);
  }

  remoteFence(harts: readonly number[], fence: RemoteFence): void {
    const { kind, ...rest } = fence;
    const details = 'range' in rest ? ` ${rest.range.start}+${rest.range.sizeBytes}` : '';
    this.log.push(`${kind} ${harts.join(',')}${details}${'asid' in rest ? ` asid ${rest.asid}` : ''}`);
  }

  reset(kind: SbiResetKind, reason: SbiResetReason): void {
    this.log.push(`reset ${kind} ${reason}`);
  }

  consoleWrite(byte: number): void {
    this.output.push(byte);
  }

  consoleRead(): number {
    return this.input.shift() ?? -1;
  }

  hartState(hart: number): SbiHartState {
    const state = this.states[hart];
    if (state === undefined) throw new Error(`hart ${hart} does not exist`);
    return state;
  }

  hartStart(hart: number, address: bigint, opaque: bigint): void {
    this.log.push(`start ${hart} ${address.toString(16)} ${opaque}`);
  }

  hartStop(hart: number): void {
    this.log.push(`stop ${hart}`);
  }

  hartSuspend(hart: number): void {
    this.log.push(`suspend ${hart}`);
  }
}

/** A hart whose registers hold `1000 + number` before a call. Values are signed when `signed`. */
export class HartDouble implements SbiHart {
  readonly id: number;
  readonly signed: boolean;
  readonly registers = Array.from({ length: 32 }, (_, register) => BigInt(1000 + register));

  constructor(id = 0, signed = false) {
    this.id = id;
    this.signed = signed;
  }

  x(register: number): bigint {
    const value = this.registers[register]!;
    return this.signed ? BigInt.asIntN(64, value) : value;
  }

  setX(register: number, value: bigint): void {
    if (value < 0n || value >= 1n << 64n) throw new Error(`${value} does not fit a register`);
    this.registers[register] = value;
  }
}
