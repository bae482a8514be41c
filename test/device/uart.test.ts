import { describe, expect, it } from 'vitest';
import { UART_RECEIVE_QUEUE_BYTES, Uart16550 } from '../../src/device/uart/uart16550.ts';
import { damagedStates, LineDouble } from './doubles.ts';

const RBR = 0;
const THR = 0;
const IER = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;

function port() {
  const sent: number[] = [];
  const line = new LineDouble();
  const uart = new Uart16550({ transmit: (byte) => sent.push(byte), line });
  return {
    sent,
    line,
    uart,
    get: (offset: number) => uart.read(offset, 1),
    set: (offset: number, value: number) => uart.write(offset, 1, value),
    type: (text: string) => uart.receive(Uint8Array.from(text, (letter) => letter.charCodeAt(0))),
  };
}

describe('16550A UART', () => {
  it('has the register values after reset that the data sheet gives', () => {
    const { get, line } = port();
    expect([IER, IIR, LCR, MCR, LSR, SCR].map(get)).toEqual([0, 0x01, 0, 0, 0x60, 0]);
    expect(get(MSR)).toBe(0xb0);
    expect(line.level).toBe(false);
  });

  it('transmits at once and stays empty', () => {
    const { sent, get, set } = port();
    set(THR, 0x41);
    set(THR, 0x142);
    expect(sent).toEqual([0x41, 0x42]);
    expect(get(LSR)).toBe(0x60);
  });

  it('has a divisor latch behind DLAB', () => {
    const { sent, get, set } = port();
    set(LCR, 0x83);
    set(0, 0x34);
    set(1, 0x12);
    expect([get(0), get(1)]).toEqual([0x34, 0x12]);
    set(LCR, 0x03);
    expect([get(RBR), get(IER)]).toEqual([0, 0]);
    expect(sent).toEqual([]);
    set(LCR, 0x83);
    expect([get(0), get(1)]).toEqual([0x34, 0x12]);
  });

  it('has a scratch register and masks IER and MCR', () => {
    const { get, set } = port();
    set(SCR, 0xa5);
    set(MCR, 0xef);
    set(IER, 0xf0);
    expect([get(SCR), get(MCR), get(IER)]).toEqual([0xa5, 0x0f, 0]);
  });

  it('says in IIR that the FIFOs are enabled', () => {
    const { get, set } = port();
    set(FCR, 0x01);
    expect(get(IIR)).toBe(0xc1);
    set(FCR, 0xc0);
    expect(get(IIR)).toBe(0x01);
  });

  it('raises THRE when it is enabled, and reading it from IIR clears it', () => {
    const { get, set, line } = port();
    set(IER, 0x02);
    expect(line.level).toBe(true);
    expect(get(IIR)).toBe(0x02);
    expect(line.level).toBe(false);
    expect(get(IIR)).toBe(0x01);
    set(THR, 1);
    expect(line.level).toBe(true);
    set(IER, 0);
    expect(line.level).toBe(false);
    set(IER, 0x02);
    expect(get(IIR)).toBe(0x02);
    set(IER, 0x02);
    expect(get(IIR)).toBe(0x01);
  });

  it('does not clear THRE while IIR shows another cause', () => {
    const { get, set, type } = port();
    set(IER, 0x03);
    type('x');
    expect(get(IIR)).toBe(0x04);
    expect(get(RBR)).toBe(0x78);
    expect(get(IIR)).toBe(0x02);
  });

  it('gives data at the trigger level, and a timeout below it at once', () => {
    const { get, set, type, line } = port();
    set(FCR, 0x81);
    set(IER, 0x01);
    type('1234567');
    expect(line.level).toBe(true);
    expect(get(IIR)).toBe(0xcc);
    type('8');
    expect(get(IIR)).toBe(0xc4);
    expect(get(RBR)).toBe(0x31);
    expect(get(IIR)).toBe(0xcc);
    for (let count = 0; count < 7; count++) get(RBR);
    expect(get(IIR)).toBe(0xc1);
    expect(line.level).toBe(false);
    expect(get(LSR)).toBe(0x60);
  });

  it('orders causes: line status, data, THRE, modem status', () => {
    const { uart, get, set, type } = port();
    set(FCR, 0x01);
    set(IER, 0x0f);
    set(MCR, 0x10);
    set(MCR, 0x00);
    uart.receiveBreak();
    type('a');
    expect(get(IIR)).toBe(0xc6);
    expect(get(LSR)).toBe(0xf1);
    expect(get(LSR)).toBe(0x61);
    expect(get(IIR)).toBe(0xc4);
    expect([get(RBR), get(RBR)]).toEqual([0, 0x61]);
    expect(get(IIR)).toBe(0xc2);
    expect(get(IIR)).toBe(0xc0);
    expect(get(MSR)).toBe(0xbb);
    expect(get(IIR)).toBe(0xc1);
  });

  it('shows the errors of a character when it reaches the top of the FIFO', () => {
    const { uart, get, set, type } = port();
    set(FCR, 0x01);
    type('a');
    uart.receiveBreak();
    expect(get(LSR)).toBe(0xe1);
    expect(get(LSR)).toBe(0xe1);
    expect(get(RBR)).toBe(0x61);
    expect(get(LSR)).toBe(0xf1);
    expect(get(LSR)).toBe(0x61);
    expect(get(RBR)).toBe(0);
    expect(get(LSR)).toBe(0x60);
  });

  it('loses nothing that is typed while the guest is slow', () => {
    const { uart, get, set } = port();
    const pasted = Uint8Array.from({ length: UART_RECEIVE_QUEUE_BYTES + 1000 }, (_, index) => (index * 7) & 0xff);
    expect(uart.receiveSpace).toBe(UART_RECEIVE_QUEUE_BYTES);
    set(FCR, 0x01);
    let taken = uart.receive(pasted);
    expect(taken).toBe(UART_RECEIVE_QUEUE_BYTES);
    expect(uart.receiveSpace).toBe(16);
    const read: number[] = [];
    while ((get(LSR) & 1) !== 0) {
      read.push(get(RBR));
      taken += uart.receive(pasted.subarray(taken));
    }
    expect(read.length).toBe(pasted.length);
    expect(Uint8Array.from(read)).toEqual(pasted);
    expect(get(LSR) & 0x02).toBe(0);
  });

  it('holds one character with the FIFOs off', () => {
    const { get, type } = port();
    type('ab');
    expect([get(LSR), get(RBR), get(LSR), get(RBR), get(LSR)]).toEqual([0x61, 0x61, 0x61, 0x62, 0x60]);
  });

  it('clears the FIFO on request and when it is switched', () => {
    const { get, set, type } = port();
    set(FCR, 0x01);
    type('0123456789abcdefgh');
    set(FCR, 0x03);
    expect(get(RBR)).toBe(0x67);
    set(FCR, 0x00);
    expect(get(LSR)).toBe(0x60);
  });

  it('loops back data and modem lines, cut off from the line', () => {
    const { sent, get, set, type } = port();
    set(FCR, 0x01);
    set(MCR, 0x10);
    expect(get(MSR)).toBe(0x0b);
    for (const [mcr, msr] of [
      [0x1a, 0x99],
      [0x15, 0x6b],
      [0x11, 0x24],
      [0x1f, 0xf9],
    ] as const) {
      set(MCR, mcr);
      expect(get(MSR)).toBe(msr);
      expect(get(MSR)).toBe(msr & 0xf0);
    }
    type('q');
    expect(get(LSR)).toBe(0x60);
    for (let byte = 0; byte < 17; byte++) set(THR, byte);
    expect(get(LSR)).toBe(0x63);
    for (let byte = 0; byte < 16; byte++) expect(get(RBR)).toBe(byte);
    expect(get(LSR)).toBe(0x60);
    expect(sent).toEqual([]);
    set(MCR, 0x00);
    expect(get(RBR)).toBe(0x71);
  });

  it('takes wider accesses as the register at their offset', () => {
    const { uart, sent } = port();
    uart.write(THR, 4, 0xffff_ff41);
    expect(sent).toEqual([0x41]);
    uart.write(SCR, 2, 0x1234);
    expect(uart.read(SCR, 4)).toBe(0x34);
    expect(uart.read(8, 4)).toBe(0);
    uart.write(8, 1, 1);
    expect(sent).toEqual([0x41]);
  });

  it('saves, restores and resets', () => {
    const one = port();
    one.set(FCR, 0x41);
    one.set(IER, 0x0f);
    one.set(SCR, 9);
    one.uart.receiveBreak();
    one.type('0123456789abcdefghij');
    const other = port();
    other.type('zzz');
    other.uart.restore(structuredClone(one.uart.save()));
    expect(other.uart.save()).toEqual(one.uart.save());
    expect(other.line.level).toBe(true);
    const state = one.uart.save() as { [key: string]: number };
    for (const damaged of damagedStates(state)) expect(() => other.uart.restore(damaged)).toThrow(/damaged/);
    for (const wrong of [
      { fcr: 0x40 },
      { fcr: 0x09 },
      { errors: 0x80 },
      { fifo: new Uint8Array(3) },
      { fifo: new Uint8Array([1, 2]) },
      { fcr: 0 },
    ]) {
      expect(() => other.uart.restore({ ...state, ...wrong })).toThrow(/damaged/);
    }
    expect(other.uart.save()).toEqual(one.uart.save());
    other.uart.reset();
    expect(other.uart.save()).toEqual(port().uart.save());
    expect(other.line.level).toBe(false);
  });
});
