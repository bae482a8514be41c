import { expect, it } from 'vitest';
import { PendingRequests } from '../../src/common/pending-requests.ts';

function make() {
  const requests = new PendingRequests<string, string>();
  const sent: number[] = [];
  const request = (context: string) => requests.request(context, (id) => sent.push(id));
  return { requests, sent, request };
}

it('settles each request with its own answer, in any order', async () => {
  const { requests, sent, request } = make();
  const [first, second, third] = [request('a'), request('a'), request('b')];
  expect(new Set(sent).size).toBe(3);
  requests.resolve(sent[2]!, 'third');
  requests.reject(sent[0]!, new Error('refused'));
  requests.resolve(sent[1]!, 'second');
  await expect(first).rejects.toThrow('refused');
  expect(await Promise.all([second, third])).toEqual(['second', 'third']);
  expect(requests.count).toBe(0);
});

it('passes over answers to nothing, and second ones', async () => {
  const { requests, sent, request } = make();
  const answer = request('a');
  requests.resolve(77, 'stray');
  requests.reject(78, new Error('stray'));
  requests.resolve(sent[0]!, 'first');
  requests.reject(sent[0]!, new Error('second'));
  expect(await answer).toBe('first');
});

it('keeps what belongs to a request until it is answered', () => {
  const { requests, sent, request } = make();
  void request('whose');
  const [id] = sent as [number];
  expect([requests.has(id), requests.contextOf(id), requests.count]).toEqual([true, 'whose', 1]);
  requests.resolve(id, '');
  expect([requests.has(id), requests.contextOf(id), requests.count]).toEqual([false, undefined, 0]);
});

it('rejects what was asked of one that is lost, and no more', async () => {
  const { requests, sent, request } = make();
  const [lost, kept] = [request('a'), request('b')];
  requests.rejectAll(new Error('a is lost'), (context) => context === 'a');
  await expect(lost).rejects.toThrow('a is lost');
  requests.resolve(sent[1]!, 'kept');
  expect(await kept).toBe('kept');
});

it('rejects all that waits without being closed by it', async () => {
  const { requests, sent, request } = make();
  const before = request('a');
  requests.rejectAll(new Error('lost'));
  await expect(before).rejects.toThrow('lost');
  const after = request('a');
  requests.resolve(sent[1]!, 'found');
  expect(await after).toBe('found');
});

it('rejects all that waits and all that comes when it is closed, with the first reason', async () => {
  const { requests, sent, request } = make();
  const before = request('a');
  requests.close(new Error('over'));
  requests.close(new Error('over again'));
  await expect(before).rejects.toThrow(/^over$/);
  await expect(request('a')).rejects.toThrow(/^over$/);
  expect(sent).toHaveLength(1);
});

it('has requested nothing when sending fails', async () => {
  const { requests } = make();
  const failed = requests.request('a', () => {
    throw new Error('cannot be sent');
  });
  await expect(failed).rejects.toThrow('cannot be sent');
  expect(requests.count).toBe(0);
});
