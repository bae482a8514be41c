import { GodwitError } from '../common/errors.ts';

/** What a machine gets those pages from that it has not touched since it was restored. */
export interface PageSource {
  /**
   * Fills `into`, a zeroed page of 4096 bytes, and returns true; false when the page is all zeros. Synchronous, because
   * a guest's access to memory waits for it. Throws GodwitError('damaged' | 'io').
   */
  read(page: number, into: Uint8Array): boolean;
  /**
   * Pages that are stored together with this one, itself included: reading them right after it costs next to nothing.
   */
  companions?(page: number): readonly number[];
  /**
   * Pages that may be other than zero, rising, found without reading any. Left out by a source that does not know: then
   * every page may be.
   */
  storedPages?(): Iterable<number>;
  /** Pages worth reading before they are asked for, the most urgent first. */
  readonly hotPages: readonly number[];
  close(): void;
}

/** Of a machine that is prepared and does not know yet where its pages will come from. */
export const NO_SOURCE_YET: PageSource = {
  read: () => {
    throw new GodwitError('state', 'The machine has not begun: its memory is not known yet.');
  },
  storedPages: () => [],
  hotPages: [],
  close: () => {},
};
