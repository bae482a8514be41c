import { describe, expect, it } from 'vitest';
import { MachineCore } from '../../src/machine/core.ts';
import { bootImages } from '../../src/machine/linux.ts';
import { nodeClock } from '../../src/platform/node/clock.ts';
import type { LoggedEvent } from '../../src/run/event-log.ts';
import { Listeners, type LiveListener } from '../../src/run/listeners.ts';
import { LiveRunner } from '../../src/run/live-runner.ts';
import { MachineLoop } from '../../src/service/machine/machine-loop.ts';
import { echoing } from '../api/programs.ts';

const EVENT: LoggedEvent = {
  point: { hart: 0, branches: 1n, pc: 2n },
  event: { kind: 'resize', columns: 1, rows: 2 },
};

describe('listeners', () => {
  const setUp = () => {
    const heard: string[] = [];
    const failures: unknown[] = [];
    const listeners = new Listeners((error) => failures.push(error));
    const named = (name: string): LiveListener => ({
      event: () => heard.push(`${name} event`),
      slice: (outcome, busyMs) => heard.push(`${name} ${outcome.kind} ${busyMs}`),
      reset: () => heard.push(`${name} reset`),
    });
    return { heard, failures, listeners, named };
  };

  it('are told everything in the order in which they came, until they go', () => {
    const { heard, listeners, named } = setUp();
    listeners.add(named('a'));
    const remove = listeners.add(named('b'));
    listeners.add(named('c'));
    listeners.event(EVENT);
    listeners.slice({ kind: 'slice' }, 3);
    remove();
    remove();
    listeners.reset();
    expect(heard).toEqual([
      'a event',
      'b event',
      'c event',
      'a slice 3',
      'b slice 3',
      'c slice 3',
      'a reset',
      'c reset',
    ]);
  });

  it('need not want to hear everything', () => {
    const { listeners, failures } = setUp();
    listeners.add({});
    listeners.event(EVENT);
    listeners.slice({ kind: 'slice' }, 1);
    listeners.reset();
    expect(failures).toEqual([]);
  });

  it('are taken off when they throw, and told or told of; the others hear everything', () => {
    const { heard, failures, listeners, named } = setUp();
    const own: unknown[] = [];
    const mistake = new Error('a mistake');
    const broken = () => {
      throw mistake;
    };
    listeners.add({ event: broken, slice: broken });
    listeners.add(named('a'));
    listeners.add({ slice: broken, failed: (error) => own.push(error) });
    listeners.add({ reset: broken, failed: broken });
    listeners.event(EVENT);
    expect(failures).toEqual([mistake]);
    listeners.slice({ kind: 'slice' }, 0);
    listeners.slice({ kind: 'slice' }, 0);
    expect(own).toEqual([mistake]);
    listeners.reset();
    listeners.reset();
    expect(failures).toEqual([mistake, mistake]);
    expect(heard).toEqual(['a event', 'a slice 0', 'a slice 0', 'a reset', 'a reset']);
  });

  it('may come and go while others are told', () => {
    const { heard, listeners, named } = setUp();
    let removeLast = (): void => {};
    const removeFirst = listeners.add({
      event: () => {
        removeFirst();
        removeLast();
        listeners.add(named('new'));
      },
    });
    listeners.add(named('a'));
    removeLast = listeners.add(named('last'));
    listeners.event(EVENT);
    expect(heard).toEqual(['a event']);
    listeners.event(EVENT);
    expect(heard).toEqual(['a event', 'a event', 'new event']);
  });

  it('do not disturb a live machine, whatever they do', async () => {
    let printed = '';
    const core = await MachineCore.create({
      memoryBytes: 8 * 1024 ** 2,
      seed: new Uint8Array(32),
      load: bootImages({ kernel: echoing() }),
      output: (_port, bytes) => {
        printed += new TextDecoder().decode(bytes);
      },
    });
    const failures: unknown[] = [];
    const runner = new LiveRunner(core, nodeClock, new MachineLoop(), {
      onListenerFailure: (error) => failures.push(error),
    });
    const events: LoggedEvent[] = [];
    let slices = 0;
    runner.listen({
      slice: () => {
        throw new Error('at once');
      },
    });
    runner.listen({ event: (logged) => events.push(logged), slice: () => slices++ });
    const running = runner.run();
    for (const key of 'abq') {
      runner.input('uart', new TextEncoder().encode(key));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await running).toEqual({ kind: 'pass', code: 0 });
    expect(printed).toBe('abq');
    expect(failures).toHaveLength(1);
    expect(slices).toBeGreaterThan(2);
    expect(events.filter(({ event }) => event.kind === 'input')).toHaveLength(3);
  });
});
