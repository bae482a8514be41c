import { afterEach, describe, expect, it } from 'vitest';
import { platform } from '../../src/platform/platform.ts';
import type { Port, Thread, ThreadTask } from '../../src/platform/threads.ts';

const { threads } = platform();
const ports: Port[] = [];
afterEach(() => {
  for (const port of ports.splice(0)) port.close();
});

function channel(): [Port, Port] {
  const [one, other] = threads.channel();
  const pair: [Port, Port] = [threads.port(one), threads.port(other)];
  ports.push(...pair);
  return pair;
}

describe('ports', () => {
  it('keep what comes before somebody listens, in order', async () => {
    const [here, there] = channel();
    for (const message of [1, 2, 3]) here.post(message);
    const heard: unknown[] = [];
    await new Promise<void>((resolve) => {
      there.onMessage((message) => {
        heard.push(message);
        if (heard.length === 3) resolve();
      });
    });
    expect(heard).toEqual([1, 2, 3]);
  });

  it('give their messages one by one to who does not listen', () => {
    const [here, there] = channel();
    here.post('first');
    here.post(undefined);
    expect([there.takeNow(), there.takeNow(), there.takeNow()]).toEqual([
      { message: 'first' },
      { message: undefined },
      undefined,
    ]);
  });

  it('travel in messages', async () => {
    const [here, there] = channel();
    const [one, other] = threads.channel();
    here.post({ port: one }, [one]);
    const { port } = there.takeNow()!.message as { port: typeof one };
    const [far, near] = [threads.port(port), threads.port(other)];
    ports.push(far, near);
    far.post('from afar');
    expect(near.takeNow()).toEqual({ message: 'from afar' });
  });

  it('tell when the other end is closed', async () => {
    const [here, there] = channel();
    const closed = new Promise<void>((resolve) => there.onClose(resolve));
    here.close();
    await closed;
  });
});

describe('a thread', () => {
  const end = (thread: Thread) => new Promise<unknown>((resolve) => thread.onEnd(resolve));

  it('tells that it was terminated', async () => {
    const thread = threads.spawn('compiler', { name: 'test' });
    const ended = end(thread);
    await thread.terminate();
    expect(await ended).toBeUndefined();
  });

  it('tells what it ended through', async () => {
    const thread = threads.spawn('nothing' as ThreadTask, { name: 'test' });
    expect(await end(thread)).toMatchObject({ message: expect.stringContaining('nothing') });
  });
});
