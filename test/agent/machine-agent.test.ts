/** The host's side of the agent, against one that is made of the protocol's words, and against hostile ones. */
import { describe, expect, it } from 'vitest';
import { encodeFrame, type Frame, FrameReader, TO_AGENT_BYTES, Type } from '../../src/service/agent/frames.ts';
import { MachineAgent } from '../../src/service/agent/machine-agent.ts';
import { Random, seedFactor } from '../disk/support/random.ts';

type Heard = Omit<Frame, 'payload'> & { readonly payload: number[] };

class Guest {
  isOpen = true;
  exists = true;
  readonly sent: Uint8Array[] = [];
  readonly agent = new MachineAgent(this.port());

  private port() {
    const guest = this;
    return {
      get exists() {
        return guest.exists;
      },
      get isOpen() {
        return guest.isOpen;
      },
      guestNanoseconds: 1_700_000_000_000_000_000n,
      send: (bytes: Uint8Array) => guest.sent.push(bytes),
    };
  }

  /** What the host said since the last time. */
  heard(): Heard[] {
    const frames: Heard[] = [];
    const reader = new FrameReader();
    for (const bytes of this.sent.splice(0)) {
      reader.push(bytes, ({ payload, ...frame }) => frames.push({ ...frame, payload: [...payload] }));
    }
    return frames;
  }

  say(session: number, request: number, type: number, ...payload: number[]): void {
    this.agent.receive(encodeFrame(session, request, type, Uint8Array.from(payload)));
  }

  /** Says hello, and answers the host's. Gives the session. */
  greet(limit = 4): number {
    this.say(0, 0, Type.hello, 1, 0, 0, 0, limit, 0, 0, 0);
    const session = this.heard().find(({ type }) => type === Type.hello)!.session;
    this.say(session, 0, Type.hello, 1, 0, 0, 0, limit, 0, 0, 0);
    return session;
  }
}

const COMMAND = { task: 'execute', arguments: ['true'] } as const;

async function started() {
  const guest = new Guest();
  const session = guest.greet();
  const { request } = await guest.agent.start(COMMAND);
  guest.heard();
  return { guest, session, request, agent: guest.agent };
}

describe('the agent of a machine', () => {
  it('is greeted when it starts, behind as much as a frame could still miss, and told the time', () => {
    const guest = new Guest();
    guest.say(0, 0, Type.hello, 1, 0, 0, 0, 4, 0, 0, 0);
    expect(guest.sent[0]!.subarray(0, TO_AGENT_BYTES).every((byte) => byte === 0)).toBe(true);
    const [hello, clock] = guest.heard();
    expect(hello).toMatchObject({ type: Type.hello, payload: [1, 0, 0, 0] });
    const nanoseconds = new Uint8Array(new BigUint64Array([1_700_000_000_000_000_000n]).buffer);
    expect(clock).toMatchObject({ type: Type.clock, session: hello!.session, payload: [...nanoseconds] });
  });

  it('runs a command: its texts, its output in pieces, its end', async () => {
    const guest = new Guest();
    const session = guest.greet();
    const { request } = await guest.agent.start({
      task: 'execute',
      arguments: ['a', ''],
      environment: ['B=c'],
      folder: '/d',
    });
    const [texts, start] = guest.heard();
    expect(new TextDecoder().decode(Uint8Array.from(texts!.payload))).toBe('/d\0\0a\0\0B=c\0');
    expect(start!.payload).toEqual([0, 0, 0, 0, 0, 0, 2, 0, 1, 0]);
    guest.say(session, request, Type.output, 104, 105);
    guest.say(session, request, Type.errors, 33);
    expect(await guest.agent.read(request)).toEqual({ output: Uint8Array.of(104, 105), errors: Uint8Array.of(33) });
    expect(guest.heard().map(({ type, payload }) => [type, ...payload])).toEqual([
      [Type.credit, 1, 0, 0, 0, 2, 0, 0, 0],
      [Type.credit, 2, 0, 0, 0, 1, 0, 0, 0],
    ]);
    const reading = guest.agent.read(request);
    guest.say(session, request, Type.exit, 1, 9);
    expect(await reading).toEqual({ exit: { signal: 9 } });
    await expect(guest.agent.read(request)).rejects.toMatchObject({ code: 'state' });
  });

  it('is sent no more input than it has room for', async () => {
    const { guest, session, request, agent } = await started();
    let isTaken = false;
    const writing = agent.write(request, new Uint8Array(100_000), true).then(() => {
      isTaken = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    const bytes = (): number =>
      guest.heard().reduce((sum, { type, payload }) => sum + (type === Type.input ? payload.length : 0), 0);
    expect(bytes()).toBe(65_536);
    expect(isTaken).toBe(false);
    guest.say(session, request, Type.credit, 0, 0, 0, 0, 0, 0, 1, 0);
    await writing;
    expect(bytes()).toBe(100_000 - 65_536);
  });

  it('is begun anew in a fork: it is heard only in the new session', async () => {
    const guest = new Guest();
    guest.say(77, 5, Type.output, 1, 2, 3);
    const { session } = guest.heard()[0]!;
    expect(session).not.toBe(77);
    const starting = guest.agent.start(COMMAND);
    guest.say(77, 1, Type.exit, 0, 0);
    // The rest of a frame that was cut off.
    guest.agent.receive(Uint8Array.of(1, 2, 3, 0x57, 0x47, 0x41));
    guest.say(session, 0, Type.hello, 1, 0, 0, 0, 4, 0, 0, 0);
    expect(await starting).toEqual({ request: 1 });
  });

  it('fails what it did when it ends, and works again when it is there again', async () => {
    const { guest, request, agent } = await started();
    const reading = agent.read(request);
    agent.opened(false);
    await expect(reading).rejects.toMatchObject({ code: 'state', message: expect.stringContaining('has ended') });
    guest.greet();
    expect(await agent.start(COMMAND)).toEqual({ request: 2 });
  });

  it('is missed in words: no port, no answer, another version', async () => {
    const guest = new Guest();
    guest.exists = false;
    await expect(guest.agent.start(COMMAND)).rejects.toMatchObject({
      code: 'state',
      hint: expect.stringContaining('--no-agent'),
    });
    guest.exists = true;
    await expect(guest.agent.start({ ...COMMAND, waitMs: 1 })).rejects.toMatchObject({
      code: 'state',
      hint: expect.stringContaining('guest-agent/README.md'),
    });
    guest.say(0, 0, Type.hello, 1, 0, 0, 0, 4, 0, 0, 0);
    const { session } = guest.heard().at(-1)!;
    guest.say(session, 0, Type.hello, 9, 0, 0, 0, 4, 0, 0, 0);
    await expect(guest.agent.start(COMMAND)).rejects.toMatchObject({ code: 'unsupported' });
  });

  it('does so much at a time as it said, and no longer command than there is room for', async () => {
    const guest = new Guest();
    guest.greet(2);
    await guest.agent.start(COMMAND);
    await guest.agent.start(COMMAND);
    await expect(guest.agent.start(COMMAND)).rejects.toMatchObject({ code: 'limit' });
    const long = { task: 'execute', arguments: ['x'.repeat(70_000)] } as const;
    await expect(guest.agent.start(long)).rejects.toMatchObject({ code: 'limit' });
  });

  it('is not heard any more when it sends more than it was given credit for', async () => {
    const { guest, session, request, agent } = await started();
    const reading = (async () => {
      for (;;) await agent.read(request);
    })();
    const many = Array.from({ length: 16_000 }, () => 1);
    for (let i = 0; i < 5; i++) guest.say(session, request, Type.output, ...many);
    await expect(reading).rejects.toMatchObject({ code: 'io' });
    await expect(agent.start(COMMAND)).rejects.toMatchObject({ code: 'io' });
    guest.greet();
    expect(await agent.start(COMMAND)).toBeDefined();
  });

  const seeds = Array.from({ length: Math.ceil(20 * seedFactor) }, (_, seed) => seed + 1);
  it.each(seeds)('gives nothing but typed errors for whatever the guest sends, seed %i', async (seed) => {
    const random = new Random(seed);
    const guest = new Guest();
    const outcomes: Promise<unknown>[] = [];
    let session = 0;
    for (let i = 0; i < 200; i++) {
      if (random.chance(10)) session = guest.greet(random.below(5));
      if (random.chance(30)) outcomes.push(guest.agent.start({ ...COMMAND, waitMs: 5 }));
      if (random.chance(30))
        outcomes.push(guest.agent.write(1 + random.below(5), random.bytes(random.below(9000)), random.chance(20)));
      if (random.chance(30)) outcomes.push(guest.agent.read(1 + random.below(5)));
      if (random.chance(10)) guest.agent.cancel(1 + random.below(5));
      if (random.chance(5)) guest.agent.opened(random.chance(50));
      if (random.chance(40)) guest.agent.receive(random.bytes(random.below(3000)));
      else guest.say(session, random.below(6), random.below(16), ...random.bytes(random.below(40)));
    }
    for (let request = 0; request < 100; request++) guest.agent.cancel(request);
    guest.agent.opened(false);
    for (const outcome of await Promise.allSettled(outcomes)) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ name: 'GodwitError' });
      if (outcome.status === 'rejected') expect(outcome.reason.code).not.toBe('internal');
    }
  });
});
