import type { BlockCompletion } from '../device/virtio/block/backend.ts';

/** A console of the board: the 16550 UART, or a virtio console (virtio 1.2, 5.3). */
export type ConsolePort = 'uart' | 'virtio';

/** What takes bytes from outside: a console, or the port of the guest's agent. */
export type InputPort = ConsolePort | 'agent';

/** Everything that reaches a machine from outside. Delivered only at counted transfers, or while the hart waits. */
export type ExternalEvent =
  /** Guest time is `ticks` now and goes on at `rate` (ticks per branch, fixed-point; hart/library/timer.ts). */
  | { readonly kind: 'clock'; readonly ticks: bigint; readonly rate: bigint }
  | { readonly kind: 'input'; readonly port: InputPort; readonly bytes: Uint8Array }
  | { readonly kind: 'resize'; readonly columns: number; readonly rows: number }
  | { readonly kind: 'block'; readonly disk: number; readonly id: number; readonly completion: BlockCompletion }
  /** The answer to a request to a shared folder: a message of 9P. */
  | { readonly kind: 'share'; readonly share: number; readonly id: number; readonly reply: Uint8Array }
  /** Guest time 0 was this on the wall: nanoseconds since 1970. */
  | { readonly kind: 'epoch'; readonly nanoseconds: bigint }
  /**
   * From here on this is another machine than whatever else goes on from the same state: 32 and 16 fresh random bytes.
   */
  | { readonly kind: 'identity'; readonly seed: Uint8Array; readonly generationId: Uint8Array };
