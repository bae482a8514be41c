/** The gdb remote protocol by its packets, and whatever else comes over such a connection. */
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GodwitError } from '../../src/common/errors.ts';
import { violation } from '../../src/common/invariant.ts';
import { GdbStub } from '../../src/debug/gdb-stub.ts';
import { encodePacket, PACKET_BYTES, PacketReader } from '../../src/debug/packet.ts';
import type { DebugTarget, Ran } from '../../src/debug/target.ts';
import { MachineCore } from '../../src/machine/core.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { spinning } from '../api/programs.ts';
import { randomNumbers } from '../support/random.ts';
import { LiveMachine } from './support/gdb.ts';

const SEED = Number(process.env.GODWIT_SEED ?? 20_270_119);
const ROUNDS = process.env.GODWIT_LONG ? 200_000 : 8000;
const ENTRY = 0x8020_0000n;

function makeCore(): Promise<MachineCore> {
  return MachineCore.create({
    memoryBytes: 4 * 1024 ** 2,
    seed: new Uint8Array(32),
    load: bootImages({ kernel: spinning('r') }),
  });
}

const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const textOf = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/** A stub on a machine that moves only when the test says so. */
class Conversation {
  readonly stub: GdbStub;
  readonly core: MachineCore;
  readonly said: string[] = [];
  left = 0;
  killed = 0;
  closed = 0;
  private execute: ((branches: bigint) => Ran) | undefined;

  constructor(core: MachineCore) {
    this.core = core;
    const target: DebugTarget = {
      core,
      run: (branches) => core.run(branches),
      step: () => core.step(),
      halt: () => {
        this.execute = undefined;
      },
      resume: (execute) => {
        this.execute = execute;
      },
      leave: () => {
        this.left++;
      },
      kill: () => {
        this.killed++;
      },
      yield: () => Promise.resolve(),
    };
    this.stub = new GdbStub({
      target,
      send: (bytes) => this.said.push(textOf(bytes)),
      close: () => {
        this.closed++;
      },
    });
  }

  get going(): boolean {
    return this.execute !== undefined;
  }

  /** Lets the machine go on, if it may. */
  run(branches = 1000n): void {
    this.execute?.(this.core.current.branches + branches);
  }

  send(text: string): void {
    this.stub.receive(bytesOf(text));
  }

  /** Sends a packet and gives the bodies of the replies. */
  ask(body: string): string {
    this.said.length = 0;
    this.stub.receive(encodePacket(body));
    return this.replies.join('|');
  }

  get replies(): string[] {
    const reader = new PacketReader();
    const received = [...reader.read(bytesOf(this.said.join('')))];
    return received.flatMap((each) => (each.kind === 'packet' ? [textOf(each.body)] : []));
  }
}

describe('the gdb remote protocol', () => {
  let core: MachineCore;
  let gdb: Conversation;
  beforeEach(async () => {
    core = await makeCore();
    gdb = new Conversation(core);
  });

  it('acknowledges packets until it is told not to, and asks again for damaged ones', () => {
    gdb.send('$?#3f');
    expect(gdb.said.join('')).toMatch(/^\+\$T05.*thread:1;#..$/);
    gdb.said.length = 0;
    gdb.send('$?#40');
    expect(gdb.said).toEqual(['-']);
    gdb.said.length = 0;
    gdb.send('-');
    expect(gdb.replies[0]).toMatch(/^T05/);
    gdb.said.length = 0;
    gdb.send('+$QStartNoAckMode#b0');
    expect(gdb.said).toEqual(['+', '$OK#9a']);
    gdb.said.length = 0;
    gdb.send('$?#3f');
    expect(gdb.said.join('')).toMatch(/^\$T05/);
    gdb.said.length = 0;
    gdb.send('$?#40');
    expect(gdb.said).toEqual([]);
  });

  it('takes packets in pieces, and one that was cut off as not sent', () => {
    for (const character of '$g#67') gdb.send(character);
    expect(gdb.replies[0]).toHaveLength(33 * 16);
    gdb.said.length = 0;
    gdb.send('$m8020$qC#b4');
    expect(gdb.replies).toEqual(['QC1']);
  });

  it('says what it can do, and nothing of history where there is none', () => {
    expect(gdb.ask('qSupported:multiprocess+;swbreak+')).toBe(
      'PacketSize=4000;qXfer:features:read+;QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+',
    );
    expect(gdb.ask('bc')).toBe('');
    expect(gdb.ask('bs')).toBe('');
    expect(gdb.ask('vMustReplyEmpty')).toBe('');
    expect(gdb.ask('!')).toBe('');
    expect(gdb.ask('vCont?')).toBe('vCont;c;C;s;S;r');
    expect(gdb.ask('qfThreadInfo')).toBe('m1');
    expect(gdb.ask('qsThreadInfo')).toBe('l');
    expect(gdb.ask('T1')).toBe('OK');
    expect(gdb.ask('T2')).toBe('E22');
    expect(gdb.ask('Hg0')).toBe('OK');
    expect(gdb.ask('qAttached')).toBe('1');
  });

  it('describes the registers in pieces of any size', () => {
    let xml = '';
    for (;;) {
      const part = gdb.ask(`qXfer:features:read:target.xml:${xml.length.toString(16)},fa`);
      xml += part.slice(1);
      if (part[0] === 'l') break;
    }
    expect(xml).toMatch(/^<\?xml[\s\S]*<\/target>\n$/);
    expect(xml).toContain('<reg name="satp" bitsize="64" regnum="449" type="int" group="csr"/>');
    const numbers = [...xml.matchAll(/regnum="(\d+)"/g)].map(([, number]) => Number(number));
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const number of numbers) expect(gdb.ask(`p${number.toString(16)}`)).toMatch(/^[0-9a-f]{16}$/);
    expect(gdb.ask('qXfer:features:read:other.xml:0,10')).toBe('E00');
    expect(gdb.ask('qXfer:features:read:target.xml:ffffff,10')).toBe('l');
    expect(gdb.ask('qXfer:features:read:target.xml:zz')).toBe('E22');
  });

  it('reads and writes registers', () => {
    expect(gdb.ask('p20')).toBe('0000208000000000');
    expect(gdb.ask('P5=1122334455667788')).toBe('OK');
    expect(core.current.x(5)).toBe(0x8877665544332211n - (1n << 64n));
    expect(gdb.ask('P0=1122334455667788')).toBe('OK');
    expect(gdb.ask('p0')).toBe('0000000000000000');
    expect(gdb.ask('P20=0100308000000000')).toBe('OK');
    expect(core.current.pc).toBe(0x8030_0000n);
    const general = gdb.ask('g');
    expect(gdb.ask(`G${general}`)).toBe('OK');
    expect(gdb.ask('g')).toBe(general);
    for (const wrong of [
      'p',
      'pzz',
      'pfff',
      'p12345678901234567',
      'P5',
      'P5=',
      'P5=1',
      'P5=zz',
      `P5=${'0'.repeat(18)}`,
    ]) {
      expect(gdb.ask(wrong), wrong).toBe('E22');
    }
    expect(gdb.ask('G00')).toBe('E22');
    expect(gdb.ask(`P${(65 + 0xc00).toString(16)}=0000000000000000`)).toBe('E01'); // cycle is read-only
  });

  it('passes over what others did wrong, and not over what godwit did', () => {
    const unreadable = new GodwitError('io', 'The file cannot be read.');
    const monitorStats = `qRcmd,${Buffer.from('stats').toString('hex')}`;
    const failing = vi.spyOn(core.current, 'get').mockImplementation(() => {
      throw unreadable;
    });
    expect(gdb.ask('g')).toBe('E05');
    expect(gdb.ask(monitorStats)).toBe(`O${Buffer.from(`${unreadable.message}\n`).toString('hex')}|OK`);
    failing.mockImplementation(() => {
      throw violation('a frame has one owner');
    });
    for (const packet of ['g', monitorStats])
      expect(() => gdb.ask(packet), packet).toThrow(/that a frame has one owner/);
    failing.mockRestore();
  });

  it('reads and writes memory, as much as there is', () => {
    expect(gdb.ask('M80300000,4:01020304')).toBe('OK');
    expect(gdb.ask('m80300000,6')).toBe('010203040000');
    // These are escaped on their way.
    expect(gdb.ask('X80300010,4:}#$*')).toBe('OK');
    expect(gdb.ask('m80300010,4')).toBe('7d23242a');
    expect(gdb.ask('X80300020,0:')).toBe('OK');
    expect(gdb.ask('m80300000,0')).toBe('');
    expect(gdb.ask('m803ffffe,8')).toBe('0000');
    expect(gdb.ask('m10000000,4')).toBe('E14'); // a device
    expect(gdb.ask('m80300000,ffffffff')).toHaveLength(PACKET_BYTES - 16);
    expect(gdb.ask('mffffffffffffffff,4')).toBe('E14');
    expect(gdb.ask('M803ffffe,4:01020304')).toBe('E14');
    expect(gdb.ask('m803ffffe,2')).toBe('0000');
    for (const wrong of ['m', 'm80300000', 'm,4', 'm80300000,', 'm80300000,zz', 'M80300000,4', 'M80300000,4:0102']) {
      expect(gdb.ask(wrong), wrong).toBe('E22');
    }
    expect(gdb.ask('X80300000,ffffffffff:a')).toBe('E22');
  });

  it('sets stops, once for all', () => {
    for (const type of [0, 1]) {
      expect(gdb.ask(`Z${type},80200000,2`)).toBe('OK');
      expect(gdb.ask(`Z${type},80200000,2`)).toBe('OK');
      expect(gdb.ask(`z${type},80200000,2`)).toBe('OK');
      expect(gdb.ask(`z${type},80200000,2`)).toBe('OK');
    }
    for (const type of [2, 3, 4]) expect(gdb.ask(`Z${type},80200000,8`)).toBe('OK');
    expect(gdb.ask('Z5,80200000,8')).toBe('');
    expect(gdb.ask('Z2,80200000,0')).toBe('E22');
    expect(gdb.ask('Z2,80200000,ffffffff')).toBe('E22');
    expect(gdb.ask('Z0')).toBe('E22');
    expect(gdb.ask('Z0,,')).toBe('E22');
    for (let i = 0; i < 1000; i++) gdb.ask(`Z2,${(i * 8).toString(16)},8`);
    expect(gdb.ask('Z2,999999,8')).toBe('E28');
    gdb.stub.disconnect();
    expect(core.stops.watchesPage(0x8020_0000, 0)).toBe(false);
  });

  it('goes on and stops, and answers nothing else in between', () => {
    expect(gdb.ask('vCont;s:1')).toBe('');
    expect(gdb.going).toBe(true);
    gdb.run();
    expect(gdb.going).toBe(false);
    expect(gdb.replies[0]).toMatch(/^T05.*thread:1;$/);
    expect(core.current.pc).toBe(ENTRY + 4n);
    gdb.ask(`Z0,${(ENTRY + 8n).toString(16)},4`);
    gdb.ask('c');
    gdb.run();
    expect(gdb.replies[0]).toMatch(/^T05swbreak:;/);
    expect(gdb.ask('?')).toMatch(/^T05swbreak:;/);
    gdb.ask('vCont;c');
    gdb.run();
    expect(gdb.going).toBe(true);
    expect(gdb.ask('g')).toBe('E16');
    expect(gdb.ask('vCont;c')).toBe('E16');
    gdb.said.length = 0;
    gdb.send('\x03');
    expect(gdb.replies[0]).toMatch(/^T02/);
    gdb.said.length = 0;
    gdb.send('\x03');
    expect(gdb.said).toEqual([]);
    gdb.ask('vCont;r80200000,80300000:1;c');
    gdb.run();
    expect(gdb.going).toBe(true);
    gdb.send('\x03');
    for (const wrong of ['vCont;', 'vCont;x', 'vCont;r', 'vCont;r1', 'vCont;c:2', 'vCont;s:zz', 'czz', 'sxx']) {
      expect(gdb.ask(wrong), wrong).toBe('E22');
    }
    gdb.ask(`s${ENTRY.toString(16)}`);
    gdb.run();
    expect(core.current.pc).toBe(ENTRY + 4n);
    gdb.ask('vCont;C05:1');
    gdb.stub.machineEnded(3);
    expect(gdb.replies[0]).toBe('W03');
  });

  it('lets the machine go when the debugger says good-bye, and ends it when told to', async () => {
    gdb.ask(`Z0,${(ENTRY + 12n).toString(16)},4`);
    expect(gdb.ask('D')).toBe('OK');
    expect([gdb.left, gdb.closed]).toEqual([1, 1]);
    gdb.stub.disconnect();
    expect(gdb.left).toBe(1);
    expect(core.run(core.current.branches + 1000n)).toEqual({ kind: 'slice' });
    gdb = new Conversation(await makeCore());
    gdb.ask('k');
    expect([gdb.killed, gdb.closed]).toEqual([1, 1]);
    gdb = new Conversation(await makeCore());
    expect(gdb.ask('vKill;1')).toBe('OK');
    expect(gdb.killed).toBe(1);
  });

  it(`survives everything else (GODWIT_SEED=${SEED})`, () => {
    const random = randomNumbers(SEED);
    const letters = 'gGpPmMXZzcCsSbvqQHT?!ABdeEFiIKrRt_x';
    const words = [
      ...[
        'qSupported',
        'qXfer:features:read:',
        'vCont;',
        'qRcmd,',
        'QStartNoAckMode',
        'Qqemu.PhyMemMode:',
        'vFile:open',
      ],
      ...[
        '80200000',
        'ffffffffffffffff',
        '0',
        '-1',
        ':',
        ';',
        ',',
        '=',
        '1000000',
        'zz',
        'target.xml',
        '6373722073617470',
      ],
      ...['\x7d', '\x00', '\xff', '\x03', '$', '+', '-', '__proto__', 'toString', '#00', '}', '*'],
    ];
    const piece = () => {
      const kind = random(10);
      if (kind < 6) return words[random(words.length)]!;
      if (kind < 8) return letters[random(letters.length)]!;
      return String.fromCharCode(random(256));
    };
    for (let round = 0; round < ROUNDS; round++) {
      let body = letters[random(letters.length)]!;
      for (let pieces = random(6); pieces > 0; pieces--) body += piece();
      const form = random(20);
      if (form === 0) gdb.send(body);
      else if (form === 1) gdb.send(`$${body}#zz`);
      else if (form === 2) gdb.send(`$${body}`);
      else gdb.stub.receive(encodePacket(body));
      if (random(3) === 0) gdb.run(50n);
      if (gdb.going) gdb.send('\x03');
      gdb.said.length = 0;
    }
    gdb.send('#00');
    gdb.stub.receive(encodePacket('Z0,80200000,2'));
    expect(gdb.ask('qC')).toBe('QC1');
  });

  it('keeps no more than one packet, however long it is', () => {
    gdb.send('$');
    const mebibyte = new Uint8Array(1024 ** 2).fill(0x61);
    for (let i = 0; i < 8; i++) gdb.stub.receive(mebibyte);
    gdb.said.length = 0;
    gdb.send('#00');
    expect(gdb.said).toEqual(['-']);
    expect(gdb.ask('qC')).toBe('QC1');
  });
});

describe('a connection for debuggers', () => {
  let machine: LiveMachine;
  beforeEach(async () => {
    machine = await LiveMachine.start(await makeCore());
    machine.runner.unhalt();
  });
  afterEach(() => machine.stop());

  const open = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(machine.server.address.split(':')[1]), '127.0.0.1');
      socket.once('connect', () => resolve(socket));
      socket.once('error', reject);
    });
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const isMoving = async () => {
    const before = machine.core.current.branches;
    for (let tries = 0; tries < 100 && machine.core.current.branches === before; tries++) await pause(10);
    return machine.core.current.branches > before;
  };
  const gone = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

  it('stops the machine when something is said, and lets it go when it breaks in the middle of a packet', async () => {
    const silent = await open();
    expect(await isMoving()).toBe(true);
    silent.destroy();
    for (const text of ['+', '$Z0,80200010,4#', '$qSupp', '$m80200000,ffff#']) {
      const socket = await open();
      socket.write(text);
      while (!machine.server.connected) await pause(5);
      const { branches } = machine.core.current;
      await pause(30);
      expect(machine.core.current.branches).toBe(branches);
      socket.destroy();
      expect(await isMoving()).toBe(true);
    }
  });

  it('turns a second debugger away, and leaves the first alone', async () => {
    const first = await open();
    first.write('+');
    while (!machine.server.connected) await pause(5);
    const second = await open();
    second.on('error', () => {});
    second.write('$?#3f');
    await gone(second);
    const answered = new Promise<Buffer>((resolve) => first.once('data', resolve));
    first.write(encodePacket('qC'));
    expect((await answered).toString()).toContain('$QC1#');
    first.destroy();
    expect(await isMoving()).toBe(true);
  });

  it('holds what a debugger asks for and does not read, without piling it up', async () => {
    const socket = await open();
    socket.pause();
    // More than the buffers of any system take.
    socket.write(Buffer.from('$g#67'.repeat(8 * 1024 ** 2)));
    await pause(500);
    expect(socket.writableLength).toBeGreaterThan(0);
    expect(machine.server.connected).toBe(true);
    socket.destroy();
    expect(await isMoving()).toBe(true);
  });

  it('ends with the machine', async () => {
    const socket = await open();
    socket.on('error', () => {});
    let said = '';
    socket.on('data', (data) => (said += data));
    socket.write('$vCont;c#a8');
    while (!said.includes('+')) await pause(5);
    const closed = gone(socket);
    await machine.stop();
    await closed;
    expect(said).toContain('$W00#b7');
  });
});
