/** What a machine that goes on from a state becomes: identity and clock are two choices. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLOCKS, type ContinueOptions, IDENTITIES } from '../../src/api/checkpoint.ts';
import { ensureGuest, QUICK_BOOT_PARAMETERS } from '../../src/guest/index.ts';
import { Machine } from '../../src/service/machine/machine.ts';
import { openRecording } from '../../src/service/recording/open-recording.ts';
import { guestImages } from '../support/guest.ts';

const images = await guestImages();
const reason = 'reason' in images ? images.reason : undefined;

/** How long the state is kept before anything goes on from it. */
const KEPT_MS = 15_000;
/** A busy host takes its time to answer. */
const ANSWER_SECONDS = 5;
/** So often the clocks are asked for before they are wrong. */
const QUESTIONS_MAXIMUM = 50;

const ALL = IDENTITIES.flatMap((identity) => CLOCKS.map((clock) => ({ identity, clock })));

interface Observed {
  /** Its real-time clock. */
  readonly behindSeconds: number;
  /** What is between its two clocks: monotonic time and `date`. */
  readonly dateBehindSeconds: number;
  readonly uuid: string;
  /** It was told that it is another machine, and got another key for its random numbers. */
  readonly isAnother: boolean;
}

describe.skipIf(reason)(`machines that go on${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let folder = '';
  let recordings = 0;
  const machines: Machine[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'godwit-continue-'));
    const { kernelPath, initramfsPath } = await ensureGuest();
    const append = ['console=ttyS0', ...QUICK_BOOT_PARAMETERS].join(' ');
    const machine = await Machine.create({ kernel: kernelPath, initrd: initramfsPath, append, memory: '128M' });
    machines.push(machine);
    await machine.start();
    await machine.console.waitFor('~# ');
    await machine.console.write('stty -echo; echo qui""et\n');
    await machine.console.waitFor('quiet');
    await machine.checkpoint({ name: 'kept', store: folder });
    await machine.stop();
    await delay(KEPT_MS);
  });
  afterAll(async () => {
    await Promise.all(machines.map((machine) => machine.stop()));
    if (folder) rmSync(folder, { recursive: true });
  });

  const ask = async (machine: Machine): Promise<Omit<Observed, 'isAnother'>> => {
    const clocks = 'rtc=$(cat /sys/class/rtc/rtc0/since_epoch), date=$(date +%s)';
    await machine.console.write(`echo ${clocks}, uuid=$(cat /proc/sys/kernel/random/uuid).\n`);
    const answer = await machine.console.waitFor(/rtc=\d+, date=\d+, uuid=[0-9a-f-]{36}\./);
    const [, rtc, date, uuid = ''] = /rtc=(\d+), date=(\d+), uuid=([0-9a-f-]+)/.exec(answer)!;
    const now = Date.now() / 1000;
    return { behindSeconds: now - Number(rtc), dateBehindSeconds: now - Number(date), uuid };
  };

  /** Of one that was not started yet; when it has had the time to follow the clock, if it is to. */
  const observe = async (machine: Machine, { clock }: ContinueOptions): Promise<Observed> => {
    const path = join(folder, `${recordings++}.rec`);
    await machine.record({ path });
    await machine.start();
    const first = await ask(machine);
    let { behindSeconds, dateBehindSeconds } = first;
    // An answer takes its time on a busy host, and so does the agent.
    const isLate = () => Math.max(behindSeconds, dateBehindSeconds) >= ANSWER_SECONDS;
    for (let asked = 0; asked < QUESTIONS_MAXIMUM && clock !== 'keep' && isLate(); asked++) {
      await delay(200);
      ({ behindSeconds, dateBehindSeconds } = await ask(machine));
    }
    await machine.stopRecording(path);
    const recording = await openRecording(path);
    const isAnother = recording.events.some(({ event }) => event.kind === 'identity');
    recording.source.close();
    return { ...first, behindSeconds, dateBehindSeconds, isAnother };
  };
  const expectAs = (
    { identity, clock }: Required<ContinueOptions>,
    { behindSeconds, dateBehindSeconds, isAnother }: Observed,
  ): void => {
    expect(isAnother).toBe(identity === 'fresh');
    // `date` is right by the agent, or by steps.
    for (const seconds of [behindSeconds, dateBehindSeconds]) {
      if (clock === 'keep') expect(seconds).toBeGreaterThan(KEPT_MS / 1000 - 1);
      else expect(seconds).toBeLessThan(ANSWER_SECONDS);
    }
  };

  it.each(ALL)('restored: identity $identity, clock $clock', async (options) => {
    const restored = await Machine.restore('kept', { store: folder, ...options });
    machines.push(restored);
    expectAs(options, await observe(restored, options));
    await restored.stop();
  });

  it.each(ALL)('forked: identity $identity, clock $clock', async (options) => {
    const parent = await Machine.restore('kept', { store: folder, identity: 'same', clock: 'keep' });
    machines.push(parent);
    const fork = await parent.fork({ ...options, start: false });
    machines.push(fork);
    expectAs(options, await observe(fork, options));
    await fork.stop();
    await parent.stop();
  });

  it('with a kept clock have random numbers of their own nevertheless', async () => {
    const uuids: string[] = [];
    for (let made = 0; made < 2; made++) {
      const restored = await Machine.restore('kept', { store: folder, clock: 'keep' });
      machines.push(restored);
      uuids.push((await observe(restored, { clock: 'keep' })).uuid);
      await restored.stop();
    }
    expect(uuids[0]).not.toBe(uuids[1]);
  });

  it('cannot be what there is not', async () => {
    for (const options of [{ identity: 'other' }, { clock: 'stop' }, { exactTwin: true }]) {
      await expect(Machine.restore('kept', { store: folder, ...(options as object) })).rejects.toMatchObject({
        code: 'usage',
      });
    }
  });
});
