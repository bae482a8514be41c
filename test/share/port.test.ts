/** What carries requests to a server: their order, the moment of a checkpoint, the output gate, resets. */
import { describe, expect, it } from 'vitest';
import type { ShareServer } from '../../src/backend/share/server.ts';
import { HoldingGate } from '../../src/run/output-gate.ts';
import { SharePort } from '../../src/service/share/share-port.ts';
import { Answer, data, message, T, u16, u32, u64 } from './client.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const read = (tag: number) => message(T.read, tag, [u32(1), u64(0), u32(10)]);
const write = (tag: number) => message(T.write, tag, [u32(1), u64(0), u32(1), data(Uint8Array.of(7))]);

/** Answers when it is told to. */
class ServerDouble {
  readonly log: string[] = [];
  private readonly waiting: (() => void)[] = [];

  async answer(request: Uint8Array): Promise<Uint8Array> {
    const { tag } = new Answer(request);
    this.log.push(`begin ${tag}`);
    await new Promise<void>((resolve) => this.waiting.push(resolve));
    if (tag === 99) throw new TypeError('a mistake');
    this.log.push(`end ${tag}`);
    return message((request[4] ?? 0) + 1, tag, [u16(0)]);
  }

  async finish(): Promise<void> {
    this.waiting.shift()?.();
    await turn();
  }

  reset(): void {
    this.log.push('reset');
  }

  close(): void {
    this.log.push('close');
  }
}

function makePort(gate?: HoldingGate) {
  const server = new ServerDouble();
  const answers: number[] = [];
  const failures: unknown[] = [];
  const port = new SharePort({
    server: server as unknown as ShareServer,
    complete: (id, reply) => void answers.push(id, new Answer(reply).errno),
    failed: (error) => void failures.push(error),
    gate,
  });
  const submit = (id: number, request: Uint8Array) => port.submit({ id, message: request, replyBytesMaximum: 100 });
  return { server, answers, failures, port, submit };
}

describe('the way to a shared folder', () => {
  it('serves requests one after the other, in their order', async () => {
    const { server, answers, submit } = makePort();
    submit(1, read(1));
    submit(2, write(2));
    submit(3, read(3));
    await turn();
    expect(server.log).toEqual(['begin 1']);
    for (let count = 0; count < 3; count++) await server.finish();
    expect(server.log).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
    expect(answers).toEqual([1, 0, 2, 0, 3, 0]);
  });

  it('stands still when it is held: each request is done or not begun', async () => {
    const { server, answers, port, submit } = makePort();
    for (const id of [1, 2, 3]) submit(id, write(id));
    let stands = false;
    const held = port.hold().then(() => {
      stands = true;
    });
    await turn();
    expect(stands).toBe(false);
    await server.finish();
    await held;
    await turn();
    expect(server.log).toEqual(['begin 1', 'end 1']);
    expect(port.undeliveredReplies.map(({ id }) => id)).toEqual([1]);
    port.delivered(1);
    expect(port.undeliveredReplies).toEqual([]);
    submit(4, read(4));
    await turn();
    expect(server.log).toHaveLength(2);
    port.release();
    for (let count = 0; count < 3; count++) await server.finish();
    expect(answers.filter((_, index) => index % 2 === 0)).toEqual([1, 2, 3, 4]);
  });

  it('lets what changes the folder wait at the gate, and what comes after it', async () => {
    const gate = new HoldingGate({ position: () => 5, limitBytes: 1000 });
    const { server, port, submit } = makePort(gate);
    submit(1, read(1));
    submit(2, write(2));
    submit(3, read(3));
    await server.finish();
    expect(server.log).toEqual(['begin 1', 'end 1']);
    // What waits there keeps nobody from taking a checkpoint.
    await port.hold();
    port.release();
    gate.openUpTo(5);
    await server.finish();
    await server.finish();
    expect(server.log.slice(2)).toEqual(['begin 2', 'end 2', 'begin 3', 'end 3']);
    gate.drop();
    submit(4, write(4));
    submit(5, read(5));
    await turn();
    expect(server.log).toHaveLength(6);
    await port.close();
    expect(server.log).toHaveLength(7);
  });

  it('ends the session in its turn, and answers nothing of before', async () => {
    const { server, answers, port, submit } = makePort();
    submit(1, write(1));
    submit(2, write(2));
    port.fence();
    submit(3, read(3));
    for (let count = 0; count < 3; count++) await server.finish();
    expect(server.log).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'reset', 'begin 3', 'end 3']);
    expect(answers).toEqual([3, 0]);
    expect(port.undeliveredReplies.map(({ id }) => id)).toEqual([3]);
  });

  it('ends what it has begun before it closes, and tells of our own mistakes', async () => {
    const { server, answers, failures, port, submit } = makePort();
    submit(1, write(99));
    submit(2, write(2));
    const closed = port.close();
    await server.finish();
    await server.finish();
    await closed;
    expect(answers).toEqual([1, 5, 2, 0]);
    expect(failures).toMatchObject([{ message: 'a mistake' }]);
    expect(server.log.at(-1)).toBe('close');
  });
});
