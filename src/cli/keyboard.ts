import type { MachineConsole } from '../api/index.ts';
import { type EscapeCommand, EscapeKeys } from './escape-keys.ts';

/** Input that the machine has not taken; more is read only when it is less. */
const UNTAKEN_LIMIT_BYTES = 256 * 1024;

export interface KeyboardParts {
  readonly input: NodeJS.ReadStream;
  readonly console: Pick<MachineConsole, 'write'>;
  /** Missing where Ctrl-A is for the guest: input that is no terminal. */
  readonly onCommand?: (command: EscapeCommand) => void;
}

/** Standard input on its way to a machine's console. Its end means nothing to the guest. */
export class Keyboard {
  private readonly parts: KeyboardParts;
  private readonly keys = new EscapeKeys();
  private untakenBytes = 0;
  private readonly listener = (chunk: Buffer): void => this.typed(chunk);

  constructor(parts: KeyboardParts) {
    this.parts = parts;
    parts.input.on('data', this.listener);
    // A terminal that went away, or a folder in place of a file: as good as an end.
    parts.input.on('error', () => this.close());
  }

  private typed(chunk: Uint8Array): void {
    const { onCommand } = this.parts;
    if (!onCommand) {
      this.send(chunk);
      return;
    }
    for (const typed of this.keys.feed(chunk)) {
      if (typed.kind === 'bytes') this.send(typed.bytes);
      else onCommand(typed.command);
    }
  }

  private send(bytes: Uint8Array): void {
    const { input, console } = this.parts;
    this.untakenBytes += bytes.length;
    if (this.untakenBytes > UNTAKEN_LIMIT_BYTES && !this.parts.onCommand) input.pause();
    const taken = (): void => {
      this.untakenBytes -= bytes.length;
      if (this.untakenBytes <= UNTAKEN_LIMIT_BYTES) input.resume();
    };
    // It is refused when the machine has ended, which is dealt with elsewhere.
    console.write(bytes).then(taken, () => {});
  }

  /** Lets go of the input, so that it does not keep the process alive. */
  close(): void {
    const { input } = this.parts;
    input.off('data', this.listener);
    input.pause();
    input.unref?.();
  }
}
