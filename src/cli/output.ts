/** Standard output, for all commands: what is printed, and what happens when it cannot be. */
import { GodwitError } from '../common/errors.ts';
import { errorCodeOf, hostError } from '../platform/node/host-error.ts';

/** Nobody reads the output any more, as behind `| head`: no failure, but there is nothing left to do. */
export class OutputClosed extends GodwitError {
  constructor(cause: unknown) {
    super('io', 'Nobody reads the output any more.', { cause });
  }
}

/** Also as Node tells it on the stream. */
export function isOutputClosed(error: unknown): boolean {
  return error instanceof OutputClosed || errorCodeOf(error) === 'EPIPE';
}

function outputError(error: unknown): GodwitError {
  return errorCodeOf(error) === 'EPIPE' ? new OutputClosed(error) : hostError(error, 'write the output');
}

/** Writes and waits until the stream has taken it. Throws OutputClosed, and GodwitError when it cannot be written. */
export function writeAll(stream: NodeJS.WritableStream, data: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(outputError(error)) : resolve()));
  });
}

/**
 * The first thing that went wrong with standard output, whoever wrote to it. Node tells it on the stream, too, where
 * it would be taken for a mistake of ours if nobody listened.
 */
export class OutputWatch {
  private first: GodwitError | undefined;

  constructor() {
    process.stdout.on('error', (error) => {
      this.first ??= outputError(error);
    });
    // Nobody reads it any more.
    process.stderr.on('error', () => {});
  }

  /** Undefined: all that was written has been taken. */
  async failure(): Promise<GodwitError | undefined> {
    // What was written without waiting is told in the next turn, or when the stream has taken it.
    const { stdout } = process;
    await new Promise((resolve) => (stdout.writableLength > 0 ? stdout.write('', resolve) : setImmediate(resolve)));
    return this.first;
  }
}
