/**
 * Locks on files: any number of readers, or one writer, and who asks first gets it first. Node gives no access to the
 * kernel's file locks, so whoever wants one puts entries (lock-entries.ts) where all others look, as in Lamport's
 * bakery:
 *
 * 1. Put an entry that says "asks".
 * 2. Read the entries of others, and give the own one a ticket: one more than the highest.
 * 3. Wait until nobody asks, and nobody with a lower ticket has or wants what is in conflict. It has to be seen twice
 *    running: a folder is not read in one moment, so an entry that changes its name meanwhile may be missed, but not
 *    twice.
 *
 * Of two that asked at once each has seen the other's ticket, or waits until it is drawn; so they agree on who comes
 * first, and somebody always is first. No entry is ever taken over; so there is no moment at which a crash
 * leaves a lock that blocks.
 *
 * Locks of the kernel, which QEMU takes, are looked at (kernel-locks.ts): they are respected, but not taken.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { GodwitError } from '../../common/errors.ts';
import type { FileLock } from '../files.ts';
import { hostError } from './host-error.ts';
import { type KernelLock, kernelLockInTheWay, programWithLock } from './kernel-locks.ts';
import {
  type EntryName,
  type Holder,
  type LockMode,
  type LockPlace,
  type LockTarget,
  listEntries,
  type OwnEntry,
  placesFor,
  putEntries,
  readHolder,
  removeEntries,
  renameEntries,
} from './lock-entries.ts';

export interface HostFileLock extends FileLock {
  /** Lets readers in. Nobody can write in between. */
  share(): Promise<void>;
}

/** Others that ask at this very moment, and give up, are waited for in any case. */
const PATIENCE_MS = 60;
const FEWEST_LOOKS = 4;
const CLEAR_LOOKS = 2;
/** Those further back in the line look less often. */
const PAUSE_MS = 6;
const LONGEST_PAUSE_MS = 500;
/** So long a process that was seen alive is taken for alive. */
const ALIVE_MS = 1000;

class HeldLock implements HostFileLock {
  private readonly places: readonly LockPlace[];
  private readonly target: LockTarget;
  private entries: readonly OwnEntry[];

  constructor(places: readonly LockPlace[], target: LockTarget, entries: readonly OwnEntry[]) {
    this.places = places;
    this.target = target;
    this.entries = entries;
  }

  async share(): Promise<void> {
    const exclusive = this.entries;
    // Before all: those who draw tickets may see neither entry.
    this.entries = await putEntries(this.places, this.target, { mode: 'shared', id: randomUUID(), ticket: 0 });
    await removeEntries(exclusive);
  }

  release(): Promise<void> {
    return removeEntries(this.entries);
  }
}

/** Throws GodwitError('locked') after `waitMs`. */
export async function lockFile(target: LockTarget, mode: LockMode, waitMs = 0): Promise<HostFileLock> {
  const places = placesFor(target);
  const id = randomUUID();
  const { ticket, entries } = await drawTicket(places, target, mode, id);
  try {
    await new Line({ places, target, mode, id, ticket }).wait(waitMs);
    return new HeldLock(places, target, entries);
  } catch (error) {
    await removeEntries(entries);
    throw error;
  }
}

/** For a file that the caller has just made: nobody else can have it. */
export async function lockNewFile(target: LockTarget): Promise<HostFileLock> {
  const places = placesFor(target);
  return new HeldLock(
    places,
    target,
    await putEntries(places, target, { mode: 'exclusive', id: randomUUID(), ticket: 0 }),
  );
}

async function drawTicket(
  places: readonly LockPlace[],
  target: LockTarget,
  mode: LockMode,
  id: string,
): Promise<{ ticket: number; entries: OwnEntry[] }> {
  const asking = await putEntries(places, target, { mode, id, ticket: undefined });
  try {
    const others = await listEntries(places);
    const ticket = 1 + Math.max(0, ...others.map((entry) => entry.ticket ?? 0));
    return { ticket, entries: await renameEntries(asking, id, ticket) };
  } catch (error) {
    await removeEntries(asking);
    throw hostError(error, `lock ${target.realPath}`);
  }
}

interface Request {
  readonly places: readonly LockPlace[];
  readonly target: LockTarget;
  readonly mode: LockMode;
  readonly id: string;
  readonly ticket: number;
}

/** One who waits for its turn. */
class Line {
  private readonly request: Request;
  /** What is known of others' entries, which never change, and until when. */
  private readonly seen = new Map<string, { holder: Holder | undefined; untilMs: number }>();

  constructor(request: Request) {
    this.request = request;
  }

  async wait(waitMs: number): Promise<void> {
    let endMs = performance.now() + Math.max(waitMs, PATIENCE_MS);
    let clearLooks = 0;
    let first: string | undefined;
    for (let looks = 1; ; looks++) {
      const isLast = looks >= FEWEST_LOOKS && performance.now() >= endMs;
      const ahead = await this.firstAhead();
      if (ahead !== undefined) {
        const moves = ahead.holder.entryPath !== first;
        first = ahead.holder.entryPath;
        // A line that moves is waited in, however long it is.
        if (moves) endMs = Math.max(endMs, performance.now() + waitMs);
        else if (isLast) throw lockedError(this.request, ahead.holder);
        clearLooks = 0;
        const pauseMs = Math.min(PAUSE_MS * ahead.places, LONGEST_PAUSE_MS);
        await delay(pauseMs * (1 + Math.random()));
      } else if (++clearLooks === CLEAR_LOOKS) {
        if (this.request.target.isOurs) return;
        const lock = await kernelLockInTheWay(this.request.target, this.request.mode);
        if (lock === undefined) return;
        if (isLast) throw await kernelLockedError(this.request, lock);
        clearLooks = 0;
        await delay(PAUSE_MS * (1 + Math.random()));
      }
    }
  }

  /** Who is in the way, and how many places ahead that may be at most. */
  private async firstAhead(): Promise<{ holder: Holder; places: number } | undefined> {
    const ahead = (await listEntries(this.request.places)).filter((entry) => this.isAhead(entry)).sort(inOrder);
    for (const { entryPath } of ahead) {
      const holder = await this.holderInTheWay(entryPath);
      if (holder !== undefined) return { holder, places: new Set(ahead.map(({ id }) => id)).size };
    }
    return undefined;
  }

  private isAhead(other: EntryName): boolean {
    const { id, ticket } = this.request;
    if (other.id === id) return false;
    if (other.ticket === undefined || other.ticket < ticket) return true;
    return other.ticket === ticket && other.id < id;
  }

  private async holderInTheWay(entryPath: string): Promise<Holder | undefined> {
    const known = this.seen.get(entryPath);
    if (known !== undefined && known.untilMs > performance.now()) return known.holder;
    const found = await readHolder(entryPath);
    const bothRead = this.request.mode === 'shared' && found?.content.mode === 'shared';
    const holder = bothRead ? undefined : found;
    this.seen.set(entryPath, { holder, untilMs: bothRead ? Infinity : performance.now() + ALIVE_MS });
    return holder;
  }
}

/** Those first that are likely to have it. */
function inOrder(a: EntryName, b: EntryName): number {
  return (a.ticket ?? Infinity) - (b.ticket ?? Infinity) || (a.id < b.id ? -1 : 1);
}

function lockedError({ target, mode }: Request, { content, certain, entryPath }: Holder): GodwitError {
  const use = content.mode === 'exclusive' ? 'writes to it' : 'reads it';
  const holder = certain
    ? `process ${content.pid} ${use}`
    : `process ${content.pid} of another machine or container ${use}`;
  const hint = certain ? stopHint(mode) : `When you are sure that it is gone, remove the file ${entryPath}.`;
  return new GodwitError('locked', `The file ${target.realPath} is in use: ${holder}.`, { hint });
}

async function kernelLockedError({ target, mode }: Request, lock: KernelLock): Promise<GodwitError> {
  const use = lock.writes ? 'writes to it' : 'reads it';
  const program = await programWithLock(target, lock);
  const holder = program === undefined ? 'another program' : `${program.name}, process ${program.pid},`;
  return new GodwitError('locked', `The file ${target.realPath} is in use: ${holder} ${use}.`, {
    hint: stopHint(mode),
  });
}

function stopHint(mode: LockMode): string {
  return mode === 'exclusive'
    ? 'Stop the other machine first, or make an image of your own with this one as its backing file.'
    : 'Stop the other machine first.';
}
