import { textOfBytes } from '../service/control/byte-text.ts';
import type { ControlClient } from '../service/control/control-client.ts';
import { TYPED_LIMIT_BYTES } from '../service/control/control-protocol.ts';

/** Requests on their way at once, of those that a connection may have. */
const ON_THE_WAY = 8;

/** Input on its way to the console of another process's machine, in order and in portions. */
export class RemoteInput {
  private readonly machine: ControlClient;
  private readonly onTheWay: Promise<unknown>[] = [];
  private sent: Promise<void> = Promise.resolve();

  constructor(machine: ControlClient) {
    this.machine = machine;
  }

  /** Resolves when the guest's device has it, or will not get it any more. */
  async write(bytes: Uint8Array): Promise<void> {
    const portions: Promise<unknown>[] = [];
    this.sent = this.sent.then(async () => {
      for (let at = 0; at < bytes.length; at += TYPED_LIMIT_BYTES) {
        if (this.onTheWay.length >= ON_THE_WAY) await this.onTheWay.shift();
        const portion = this.send(bytes.subarray(at, at + TYPED_LIMIT_BYTES));
        this.onTheWay.push(portion);
        portions.push(portion);
      }
    });
    await this.sent;
    await Promise.all(portions);
  }

  private async send(bytes: Uint8Array): Promise<void> {
    try {
      await this.machine.request('type', { bytes: textOfBytes(bytes) });
    } catch {
      // It is refused when the machine has ended, which is dealt with elsewhere.
    }
  }
}
