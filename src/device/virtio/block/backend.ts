import type { FrameSpan } from '../../device.ts';

/**
 * What the device wants done on the disk. Offsets and lengths are in bytes, multiples of 512 and within the disk. Ids
 * grow by one from submission to submission and are never used again by the device.
 */
export type BlockSubmission =
  | { readonly id: number; readonly kind: 'read'; readonly offset: number; readonly length: number }
  | {
      readonly id: number;
      readonly kind: 'write';
      readonly offset: number;
      readonly length: number;
      /**
       * The data, in order. It must be copied or written before `submit` returns: the guest may change it afterwards.
       */
      readonly spans: readonly FrameSpan[];
    }
  | { readonly id: number; readonly kind: 'flush' }
  | { readonly id: number; readonly kind: 'discard'; readonly offset: number; readonly length: number }
  | {
      readonly id: number;
      readonly kind: 'write-zeroes';
      readonly offset: number;
      readonly length: number;
      readonly unmap: boolean;
    };

/** How it went. A successful read brings exactly the bytes that were asked for, in any number of parts. */
export type BlockCompletion =
  | { readonly status: 'ok'; readonly data?: readonly Uint8Array[] }
  | { readonly status: 'error' };

/**
 * The way to a disk. What is submitted is answered by `VirtioBlock.complete`, at an execution point that the machine
 * chooses.
 */
export interface BlockBackend {
  submit(submission: BlockSubmission): void;
  /**
   * The guest has reset the device with requests in flight. What is submitted from now on must not overtake them: a
   * write of before the reset may not land on one of after it.
   */
  fence(): void;
}
