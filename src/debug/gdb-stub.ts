import { isForeseen } from '../common/errors.ts';
import {
  bytesToHex,
  bytesToText,
  hexToBytes,
  hexToValue,
  parseAddress,
  parseCount,
  textToHex,
  valueToHex,
} from './hex.ts';
import { monitor } from './monitor.ts';
import { encodePacket, PACKET_BYTES, PacketReader, type Received, removeEscapes } from './packet.ts';
import { GENERAL, GENERAL_COUNT, type Register, registerNumbered } from './registers.ts';
import { hartOf, parseResume, threadOf } from './resume-packet.ts';
import { DebugSession } from './session.ts';
import type { Resume, Reverse, Stop } from './stop.ts';
import { StopList } from './stop-list.ts';
import type { DebugTarget } from './target.ts';
import { targetDescription } from './target-description.ts';

/** The errno values that replies carry. */
const FAILED = 'E05';
const FAULT = 'E14';
const INVALID = 'E22';
const DENIED = 'E01';
const BUSY = 'E16';
const SIGINT = 2;
const SIGTRAP = 5;
const ACKNOWLEDGE = Uint8Array.of(0x2b);
const WANT_AGAIN = Uint8Array.of(0x2d);
/** Two digits for each byte, and room for the packet around them. */
const READ_MAXIMUM = (PACKET_BYTES - 16) / 2;
const MONITOR_CHUNK = 1000;
/** sp, s0 and pc go with every stop, since the next thing a debugger asks for is the frame. */
const EXPEDITED = [2, 8, 32];

export interface StubOptions {
  readonly target: DebugTarget;
  readonly send: (bytes: Uint8Array) => void;
  /** The debugger said good-bye: the connection is to be closed when what was sent is through. */
  readonly close: () => void;
}

type Handler = (text: string, body: Uint8Array) => string | undefined;

/**
 * The gdb remote protocol (gdb manual, appendix E) for one debugger on one machine.
 *
 *     debugger                          stub
 *       | -- qSupported ... ------------> |    the machine stands since the connection was made
 *       | <------------ what it can do -- |
 *       | -- ? -------------------------> |
 *       | <--------------- T05 thread:1 - |
 *       | -- Z0,address,2; vCont;c -----> |    the machine runs
 *       | <---------- T05 swbreak; ... -- |    it stands again
 *       | -- bc ------------------------> |    it goes back
 *       | <- T05 replaylog:begin; ... --- |
 *       | -- D -------------------------> |    it goes on without a debugger
 *
 * Whatever comes, well-formed or not, is answered with an error at worst.
 */
export class GdbStub {
  private readonly session: DebugSession;
  private readonly stops: StopList;
  private readonly options: StubOptions;
  private readonly reader = new PacketReader();
  private acknowledging = true;
  private lastReply: Uint8Array | undefined;
  private lastStop: Stop = { kind: 'step' };
  private ended = false;

  constructor(options: StubOptions) {
    this.options = options;
    this.session = new DebugSession(options.target, (stop) => this.reportStop(stop));
    this.stops = new StopList(this.session);
  }

  /** Bytes from the debugger, in pieces of any size. */
  receive(bytes: Uint8Array): void {
    for (const received of this.reader.read(bytes)) {
      if (this.ended) return;
      this.take(received);
    }
  }

  /** The debugger is gone without a word, or the machine has ended. */
  disconnect(): void {
    if (this.ended) return;
    this.ended = true;
    this.session.end();
  }

  /** Tells the debugger, if it waits, that the machine has ended. */
  machineEnded(exitCode: number): void {
    if (!this.ended) this.session.machineEnded(exitCode);
  }

  private take(received: Received): void {
    switch (received.kind) {
      case 'acknowledged':
        break;
      case 'wanted-again':
        if (this.lastReply) this.options.send(this.lastReply);
        break;
      case 'interrupt':
        this.session.interrupt();
        break;
      case 'damaged':
        if (this.acknowledging) this.options.send(WANT_AGAIN);
        break;
      case 'packet':
        if (this.acknowledging) this.options.send(ACKNOWLEDGE);
        this.answer(received.body);
        break;
    }
  }

  private answer(body: Uint8Array): void {
    const text = bytesToText(body);
    const reply = this.session.running ? BUSY : this.replyTo(text, body);
    if (reply !== undefined) this.reply(reply);
  }

  private reply(text: string): void {
    this.lastReply = encodePacket(text);
    this.options.send(this.lastReply);
  }

  private replyTo(text: string, body: Uint8Array): string | undefined {
    const letter = text[0] ?? '';
    if (!Object.hasOwn(this.handlers, letter)) return '';
    try {
      return this.handlers[letter]!(text, body);
    } catch (error) {
      // Pages of a restored machine may fail to come in.
      if (!isForeseen(error)) throw error;
      return FAILED;
    }
  }

  /** By a packet's first letter. Undefined is the answer of what is answered later, or not at all. */
  private readonly handlers: Readonly<Record<string, Handler>> = {
    '?': () => this.describeStop(this.lastStop),
    g: () => GENERAL.map((register) => this.registerText(register)).join(''),
    G: (text) => this.writeGeneral(text.slice(1)),
    p: (text) => this.readRegister(text.slice(1)),
    P: (text) => this.writeRegister(text.slice(1)),
    m: (text) => this.readMemory(text.slice(1)),
    M: (text) => this.writeMemory(text.slice(1)),
    X: (text, body) => this.writeBinary(text, body),
    Z: (text) => this.stops.change(true, text.slice(1)),
    z: (text) => this.stops.change(false, text.slice(1)),
    c: (text) => this.goOnFrom(text.slice(1), { kind: 'continue' }),
    s: (text) => this.goOnFrom(text.slice(1), { kind: 'step' }),
    C: (text) => this.goOnFrom(text.split(';')[1] ?? '', { kind: 'continue' }),
    S: (text) => this.goOnFrom(text.split(';')[1] ?? '', { kind: 'step' }),
    b: (text) => this.goBack(text),
    v: (text) => this.variable(text),
    q: (text) => this.query(text),
    Q: (text) => this.set(text),
    H: () => 'OK',
    T: (text) => (/^T0*1$/.test(text) ? 'OK' : INVALID),
    D: () => this.detach(),
    k: () => this.kill(),
  };

  // Registers

  private registerText(register: Register): string {
    return valueToHex(register.read(this.options.target.core));
  }

  private readRegister(text: string): string {
    const register = registerNumbered(parseCount(text) ?? -1);
    return register ? this.registerText(register) : INVALID;
  }

  private writeRegister(text: string): string {
    const [number, digits] = text.split('=');
    const register = registerNumbered(parseCount(number ?? '') ?? -1);
    const value = hexToValue(digits ?? '');
    if (!register || value === undefined) return INVALID;
    return this.put([[register, value]]);
  }

  private writeGeneral(digits: string): string {
    const bytes = hexToBytes(digits);
    if (!bytes || bytes.length !== GENERAL_COUNT * 8) return INVALID;
    const view = new DataView(bytes.buffer);
    return this.put(GENERAL.map((register, i) => [register, view.getBigUint64(8 * i, true)]));
  }

  private put(values: readonly (readonly [Register, bigint])[]): string {
    const { core, readonlyBecause } = this.options.target;
    if (readonlyBecause !== undefined) return DENIED;
    for (const [register, value] of values) register.write?.(core, value);
    return values.length > 1 || values.every(([register]) => register.write) ? 'OK' : DENIED;
  }

  // Memory

  private readMemory(text: string): string {
    const [addressText = '', lengthText = ''] = text.split(',');
    const address = parseAddress(addressText);
    const length = parseCount(lengthText);
    if (address === undefined || length === undefined) return INVALID;
    const bytes = this.session.view.read(address, Math.min(length, READ_MAXIMUM));
    return bytes ? bytesToHex(bytes) : FAULT;
  }

  private writeMemory(text: string): string {
    const colon = text.indexOf(':');
    const data = hexToBytes(text.slice(colon + 1));
    return colon < 0 || !data ? INVALID : this.writeAt(text.slice(0, colon), data);
  }

  private writeBinary(text: string, body: Uint8Array): string {
    const colon = text.indexOf(':');
    return colon < 0 ? INVALID : this.writeAt(text.slice(1, colon), removeEscapes(body.subarray(colon + 1)));
  }

  private writeAt(place: string, data: Uint8Array): string {
    const [addressText = '', lengthText = ''] = place.split(',');
    const address = parseAddress(addressText);
    if (address === undefined || parseCount(lengthText) !== data.length) return INVALID;
    if (this.options.target.readonlyBecause !== undefined) return DENIED;
    return this.session.view.write(address, data) ? 'OK' : FAULT;
  }

  // Going on and stopping

  private goOnFrom(addressText: string, resume: Resume): string | undefined {
    if (addressText !== '') {
      const address = parseAddress(addressText);
      if (address === undefined) return INVALID;
      const moved = this.put([[registerNumbered(GENERAL_COUNT - 1)!, address]]);
      if (moved !== 'OK') return moved;
    }
    this.session.goOn(resume);
    return undefined;
  }

  private goBack(text: string): string | undefined {
    const directions: Readonly<Record<string, Reverse>> = { bs: 'step', bc: 'continue' };
    const reverse = directions[text];
    if (!reverse || !this.options.target.history) return '';
    this.session.goBack(reverse).catch((error) => this.giveUpGoingBack(error));
    return undefined;
  }

  private giveUpGoingBack(error: unknown): void {
    if (this.ended) return;
    this.say(`History cannot be searched: ${error instanceof Error ? error.message : error}\n`);
    this.session.giveUp();
  }

  /** Text for the debugger's user, while a command is carried out. */
  private say(text: string): void {
    for (let at = 0; at < text.length; at += MONITOR_CHUNK) {
      this.reply(`O${textToHex(text.slice(at, at + MONITOR_CHUNK))}`);
    }
  }

  private reportStop(stop: Stop): void {
    this.lastStop = stop;
    if (!this.ended) this.reply(this.describeStop(stop));
  }

  private describeStop(stop: Stop): string {
    if (stop.kind === 'exited') return `W${stop.code.toString(16).padStart(2, '0')}`;
    const signal = (stop.kind === 'interrupt' ? SIGINT : SIGTRAP).toString(16).padStart(2, '0');
    const values = EXPEDITED.map((number) => `${number.toString(16)}:${this.registerText(registerNumbered(number)!)};`);
    return `T${signal}${this.describeReason(stop)}${values.join('')}thread:${this.thread};`;
  }

  private describeReason(stop: Stop): string {
    switch (stop.kind) {
      case 'breakpoint':
        return this.stops.kindAt(stop.address) === 'software' ? 'swbreak:;' : 'hwbreak:;';
      case 'watchpoint': {
        const name = { write: 'watch', read: 'rwatch', access: 'awatch' }[stop.watch];
        return `${name}:${stop.address.toString(16)};`;
      }
      case 'history':
        return `replaylog:${stop.end};`;
      default:
        return '';
    }
  }

  private detach(): string | undefined {
    this.reply('OK');
    this.disconnect();
    this.options.close();
    return undefined;
  }

  private kill(): undefined {
    this.disconnect();
    this.options.target.kill();
    this.options.close();
  }

  // Packets with names

  private variable(text: string): string | undefined {
    if (text === 'vCont?') return 'vCont;c;C;s;S;r';
    if (text.startsWith('vCont;')) {
      const resume = parseResume(text.slice('vCont'.length), this.options.target.core.current.index);
      if (!resume) return INVALID;
      this.session.goOn(resume);
      return undefined;
    }
    if (text.startsWith('vKill')) {
      this.reply('OK');
      return this.kill();
    }
    return '';
  }

  /** Of the hart whose turn it is. */
  private get thread(): string {
    return threadOf(this.options.target.core.current.index);
  }

  private query(text: string): string | undefined {
    if (text.startsWith('qSupported')) return this.supported;
    if (text.startsWith('qXfer:features:read:')) return this.transfer(text.slice('qXfer:features:read:'.length));
    if (text.startsWith('qRcmd,')) return this.command(text.slice('qRcmd,'.length));
    if (text.startsWith('qThreadExtraInfo,'))
      return textToHex(`hart ${hartOf(text.slice('qThreadExtraInfo,'.length))}`);
    if (text === 'qC') return `QC${this.thread}`;
    if (text === 'qfThreadInfo')
      return `m${this.options.target.core.harts.map(({ index }) => threadOf(index)).join(',')}`;
    if (text.startsWith('qAttached')) return '1';
    if (text === 'qqemu.PhyMemMode') return this.session.view.physical ? '1' : '0';
    return Object.hasOwn(this.queries, text) ? this.queries[text]! : '';
  }

  private readonly queries: Readonly<Record<string, string>> = {
    qsThreadInfo: 'l',
    'qqemu.Supported': 'PhyMemMode',
  };

  private get supported(): string {
    const reverse = this.options.target.history ? ['ReverseStep+', 'ReverseContinue+'] : [];
    return [
      `PacketSize=${PACKET_BYTES.toString(16)}`,
      'qXfer:features:read+',
      'QStartNoAckMode+',
      'vContSupported+',
      'swbreak+',
      'hwbreak+',
      ...reverse,
    ].join(';');
  }

  private transfer(text: string): string {
    const [annex, place = ''] = text.split(':');
    const [offset, length] = place.split(',').map(parseCount);
    if (annex !== 'target.xml') return 'E00';
    if (offset === undefined || length === undefined) return INVALID;
    const whole = targetDescription();
    const part = whole.slice(offset, offset + Math.min(length, READ_MAXIMUM));
    return `${offset + part.length < whole.length ? 'm' : 'l'}${part}`;
  }

  private command(digits: string): string {
    const bytes = hexToBytes(digits);
    if (!bytes) return INVALID;
    const { session, stops } = this;
    this.say(monitor({ session, stops }, bytesToText(bytes)));
    return 'OK';
  }

  private set(text: string): string {
    if (text === 'QStartNoAckMode') {
      // The reply to this one is still acknowledged.
      this.acknowledging = false;
      return 'OK';
    }
    const mode = /^Qqemu\.PhyMemMode:([01])$/.exec(text);
    if (!mode) return '';
    this.session.view.physical = mode[1] === '1';
    return 'OK';
  }
}
