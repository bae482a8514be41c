/** A request of a guest, taken out of its memory. Ids grow by one and are never used again by the device. */
export interface ShareSubmission {
  readonly id: number;
  readonly message: Uint8Array;
  /** The answer has no more bytes. */
  readonly replyBytesMaximum: number;
}

/**
 * The way to a shared folder. What is submitted is answered by `Virtio9p.complete`, at an execution point that the
 * machine chooses.
 */
export interface ShareBackend {
  submit(submission: ShareSubmission): void;
  /** The device has got the answer. */
  delivered(id: number): void;
  /** The guest has reset the device: the session is over, and what is in flight is not answered. */
  fence(): void;
}
