import type { ContainerExpectations } from './container/reader.ts';
import type { PageSections } from './pages/stored-pages.ts';

/**
 * The sections of a checkpoint's file
 *
 *     META   plain data: CheckpointMeta
 *     STAT   plain data: what MachineCore.save() gives
 *     HOTP   optional: numbers of pages worth reading early, u32 each, the most urgent first
 *     PDAT   pages of memory: their bytes
 *     PIDX   pages of memory: their index
 *     DDAT   in portable files, instance n: pages of disk n of META; the last is filled up with zeros
 *     DIDX   likewise: their index
 */
export const META = 'META';
export const STATE = 'STAT';
export const HOT_PAGES = 'HOTP';
export const MEMORY_PAGES: PageSections = { index: 'PIDX', data: 'PDAT' };

export function diskPages(disk: number): PageSections {
  return { index: 'DIDX', data: 'DDAT', instance: disk };
}

/** 1 was before saved state had names and versions. */
const CHECKPOINT_VERSION = 2;

export const CHECKPOINT: ContainerExpectations = {
  kind: 'CKPT',
  kindName: 'checkpoint',
  version: CHECKPOINT_VERSION,
  known: [META, STATE, HOT_PAGES, 'PDAT', 'PIDX', 'DDAT', 'DIDX'],
};

export const MAXIMUM_META_BYTES = 4 * 1024 ** 2;
/** More than that would not be early any more. */
export const MAXIMUM_HOT_PAGES = 65_536;
