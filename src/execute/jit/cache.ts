import { FRAME_BYTES } from '../../memory/layout.ts';
import { pageDistance, pageOffset } from './blocks.ts';
import type { CompiledBatch } from './compiler.ts';
import type { CodeOptions } from './options.ts';
import { everyInstruction, planEntry, type RegionPlan } from './plan.ts';

/** A compiled module and the regions in it. */
export interface CachedModule {
  readonly module: WebAssembly.Module;
  readonly bytes: number;
  readonly regions: readonly CachedRegion[];
}

export interface CachedRegion {
  readonly owner: CachedModule;
  /** The name that the module exports it under. */
  readonly name: string;
  readonly plan: RegionPlan;
}

/** The frame with the code of the page that lies so many pages away; 0 is the region's own. Undefined: not known. */
export type FramesAround = (distance: number) => number | undefined;

export interface CacheLimits {
  /** Size of all modules together, before the host compiled them. */
  readonly bytes: number;
  readonly modules: number;
}

/** What V8 made of a module, which the cache keeps alive, is six times its size. */
const DEFAULT_LIMITS: CacheLimits = { bytes: 4 * 1024 ** 2, modules: 600 };
/** So many regions that start alike are compared with a page at most. */
const ALIKE_MAXIMUM = 8;

/**
 * Translations by content: a region serves every page that holds the same instructions at the same offsets, whatever
 * its address, frame or machine. When a limit is reached the modules that were used longest ago are forgotten.
 */
export class TranslationCache {
  private readonly limits: CacheLimits;
  /** Oldest use first. */
  private readonly modules = new Set<CachedModule>();
  private readonly byStart = new Map<string, CachedRegion[]>();
  private readonly scopes = new Map<CachedModule, string>();
  private bytes = 0;
  private forgotten = 0;

  constructor(limits: CacheLimits = DEFAULT_LIMITS) {
    this.limits = limits;
  }

  get stats(): { readonly modules: number; readonly bytes: number; readonly forgotten: number } {
    return { modules: this.modules.size, bytes: this.bytes, forgotten: this.forgotten };
  }

  add({ options, ...batch }: CompiledBatch): CachedModule {
    const added = cachedModule(batch);
    const { bytes } = batch;
    const scope = scopeOf(options);
    this.modules.add(added);
    this.scopes.set(added, scope);
    this.bytes += bytes;
    for (const region of added.regions) this.list(scope, region);
    while (this.modules.size > 1 && (this.bytes > this.limits.bytes || this.modules.size > this.limits.modules)) {
      this.forget(this.modules.values().next().value!);
    }
    return added;
  }

  private list(scope: string, region: CachedRegion): void {
    const key = startKey(scope, planEntry(region.plan), firstInstruction(region.plan));
    const alike = this.byStart.get(key);
    if (!alike) this.byStart.set(key, [region]);
    else {
      alike.unshift(region);
      if (alike.length > ALIKE_MAXIMUM) alike.pop();
    }
  }

  private forget(module: CachedModule): void {
    const scope = this.scopes.get(module)!;
    for (const region of module.regions) {
      const key = startKey(scope, planEntry(region.plan), firstInstruction(region.plan));
      const alike = this.byStart.get(key)?.filter((other) => other !== region) ?? [];
      if (alike.length > 0) this.byStart.set(key, alike);
      else this.byStart.delete(key);
    }
    this.modules.delete(module);
    this.scopes.delete(module);
    this.bytes -= module.bytes;
    this.forgotten++;
  }

  /** A region that starts at this offset and has exactly the instructions that the frame holds, and those around it. */
  find(view: DataView, frames: FramesAround, offset: number, options: CodeOptions): CachedRegion | undefined {
    const first = instructionAt(view, frames(0)!, offset);
    if (first === undefined) return undefined;
    const alike = this.byStart.get(startKey(scopeOf(options), offset, first));
    const found = alike?.find(({ plan }) => matches(plan, view, frames));
    if (found) {
      this.modules.delete(found.owner);
      this.modules.add(found.owner);
    }
    return found;
  }
}

/** A module with its regions, in no cache yet. */
export function cachedModule({ module, bytes, plans }: Omit<CompiledBatch, 'options'>): CachedModule {
  const regions: CachedRegion[] = [];
  const owner = { module, bytes, regions };
  plans.forEach((plan, i) => {
    regions.push({ owner, name: `${i}`, plan });
  });
  return owner;
}

const scopes = new WeakMap<CodeOptions, string>();

function scopeOf(options: CodeOptions): string {
  let scope = scopes.get(options);
  if (scope === undefined) {
    const { shared, optimizations } = options;
    scope = [shared, ...Object.values(optimizations)].map(Number).join('');
    scopes.set(options, scope);
  }
  return scope;
}

function startKey(scope: string, offset: number, bits: number): string {
  return `${scope} ${offset} ${bits}`;
}

function firstInstruction(plan: RegionPlan): number {
  let first = 0;
  everyInstruction(plan, (offset, bits) => {
    if (offset !== planEntry(plan)) return true;
    first = bits;
    return false;
  });
  return first;
}

/** Undefined where it would go over the page's end. */
export function instructionAt(view: DataView, frame: number, offset: number): number | undefined {
  const low = view.getUint16(frame + offset, true);
  if ((low & 3) !== 3) return low;
  return offset > FRAME_BYTES - 4 ? undefined : view.getInt32(frame + offset, true);
}

function matches(plan: RegionPlan, view: DataView, frames: FramesAround): boolean {
  let distance = 0;
  let frame = frames(0);
  return everyInstruction(plan, (offset, bits) => {
    if (pageDistance(offset) !== distance) {
      distance = pageDistance(offset);
      frame = frames(distance);
    }
    if (frame === undefined) return false;
    const at = frame + pageOffset(offset);
    return (bits & 3) === 3 ? view.getInt32(at, true) === bits : view.getUint16(at, true) === bits;
  });
}
