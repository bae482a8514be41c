import { present } from '../../common/invariant.ts';
import {
  LINKS,
  OP_REGION,
  SLOT_OP,
  SLOTS_HEAT,
  SLOTS_LINKS,
  SLOTS_REGION,
  SLOTS_REPLACED_OP,
} from '../../hart/decoded-slots.ts';
import type { Arena } from '../../memory/arena.ts';
import { linkOf } from './blocks.ts';
import type { CachedModule } from './cache.ts';

/** A decoded page and an offset in it. */
export interface Place {
  readonly page: number;
  readonly offset: number;
}

/** Decoded pages that a region has code of beside its own, by their distance from it in pages. */
export type OtherPages = ReadonlyMap<number, number>;

/** A region in its place. */
export interface Installed extends Place {
  /** In the table. */
  readonly number: number;
  readonly owner: CachedModule;
  readonly others: OtherPages;
}

/** Which page one of a page's links leads to, and how many regions use it. */
interface Link {
  readonly distance: number;
  readonly target: number;
  users: number;
}

/**
 * Which regions stand in which decoded pages, and what is written there for them: at its entry the number of a region
 * takes the place of the handler, and links lead to the other pages that it has code of.
 */
export class RegionMap {
  private readonly arena: Arena;
  /** By page and offset. */
  private readonly byPage = new Map<number, Map<number, Installed>>();
  /** Regions that have code of a page that is not their own. */
  private readonly guests = new Map<number, Set<Installed>>();
  private readonly links = new Map<number, (Link | undefined)[]>();

  constructor(arena: Arena) {
    this.arena = arena;
  }

  /** A region starts there. */
  startsAt({ page, offset }: Place): boolean {
    return this.byPage.get(page)?.has(offset) ?? false;
  }

  /** Some region has code of the page. */
  has(page: number): boolean {
    return this.byPage.has(page) || this.guests.has(page);
  }

  *[Symbol.iterator](): Iterator<Installed> {
    for (const regions of this.byPage.values()) yield* regions.values();
  }

  /** Whether regions of a page can have code of another one so far away. */
  canLink(page: number, distance: number, target: number): boolean {
    const link = this.links.get(page)?.[linkOf(distance)];
    return link === undefined || (link.distance === distance && link.target === target);
  }

  /** All of its pages can be linked, each by a link of its own. */
  add(region: Installed): void {
    const { page, offset, number, others } = region;
    const { view } = this.arena;
    const slot = page + offset * 4;
    view.setUint16(page + SLOTS_REPLACED_OP + offset, view.getUint16(slot + SLOT_OP, true), true);
    view.setUint16(page + SLOTS_REGION + offset, number, true);
    view.setUint16(slot + SLOT_OP, OP_REGION, true);
    const regions = this.byPage.get(page) ?? new Map<number, Installed>();
    this.byPage.set(page, regions.set(offset, region));
    for (const [distance, target] of others) {
      this.link(page, distance, target);
      const guests = this.guests.get(target) ?? new Set();
      this.guests.set(target, guests.add(region));
    }
  }

  /** The slot is interpreted again, and may become hot again. */
  remove(region: Installed): void {
    const { page, offset, others } = region;
    const { view } = this.arena;
    view.setUint16(page + offset * 4 + SLOT_OP, view.getUint16(page + SLOTS_REPLACED_OP + offset, true), true);
    view.setUint16(page + SLOTS_REGION + offset, 0, true);
    view.setUint16(page + SLOTS_HEAT + offset, 0, true);
    const regions = this.byPage.get(page)!;
    regions.delete(offset);
    if (regions.size === 0) this.byPage.delete(page);
    for (const [distance, target] of others) {
      this.unlink(page, distance);
      // Several distances may lead to the same page.
      const guests = this.guests.get(target);
      guests?.delete(region);
      if (guests?.size === 0) this.guests.delete(target);
    }
  }

  /** Removes all that have code of a page, and gives them. The page's own slots may hold anything then. */
  removeAll(page: number): Installed[] {
    const removed = [...(this.byPage.get(page)?.values() ?? []), ...(this.guests.get(page) ?? [])];
    for (const region of removed) this.remove(region);
    return removed;
  }

  private link(page: number, distance: number, target: number): void {
    const links = this.links.get(page) ?? new Array<Link | undefined>(LINKS).fill(undefined);
    const link = links[linkOf(distance)] ?? { distance, target, users: 0 };
    link.users++;
    links[linkOf(distance)] = link;
    this.links.set(page, links);
    this.arena.view.setUint32(page + SLOTS_LINKS + 4 * linkOf(distance), target, true);
  }

  private unlink(page: number, distance: number): void {
    const links = present(this.links.get(page), `the page at ${page} has links`);
    const link = present(links[linkOf(distance)], `the page at ${page} has a link over ${distance} pages`);
    if (--link.users > 0) return;
    links[linkOf(distance)] = undefined;
    this.arena.view.setUint32(page + SLOTS_LINKS + 4 * linkOf(distance), 0, true);
    if (links.every((other) => other === undefined)) this.links.delete(page);
  }
}
