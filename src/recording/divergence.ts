import { GodwitError } from '../common/errors.ts';
import type { ExecutionPoint } from '../machine/execution-point.ts';
import type { DigestDifference } from './digest-codec.ts';

/** Where a replay went another way than the recording. */
export interface Divergence extends DigestDifference {
  /** The machine was as recorded at `from`, and no more at `to`. `index`: which digest of the recording showed it. */
  readonly interval: { readonly index: number; readonly from: ExecutionPoint; readonly to: ExecutionPoint };
  /** What happened, when it was something other than a digest that differs. */
  readonly event: string | undefined;
}

const SHOWN = 6;

/** GodwitError('damaged') with the details. */
export class DivergenceError extends GodwitError {
  /** What differs, and where. */
  readonly divergence: Divergence;

  /** @internal Replays throw it. */
  constructor(divergence: Divergence, cause?: unknown) {
    super('damaged', `The replay diverged from the recording ${describe(divergence)}.`, {
      hint: 'Was the file changed, or made by another version of godwit? Else this is a mistake in godwit.',
      ...(cause === undefined ? {} : { cause }),
    });
    this.divergence = divergence;
  }
}

export function formatPoint({ hart, branches, pc }: ExecutionPoint): string {
  return `branch ${branches}, pc 0x${pc.toString(16)}, hart ${hart}`;
}

function describe({ interval, registers, devices, pages, exactPages, event }: Divergence): string {
  const parts = [`between ${formatPoint(interval.from)} and ${formatPoint(interval.to)}`];
  if (event !== undefined) parts.push(event);
  const shown = registers.map(
    ({ name, recorded, replayed }) => `${name} 0x${hex(replayed)} in place of 0x${hex(recorded)}`,
  );
  if (shown.length > 0) parts.push(`registers: ${few(shown)}`);
  if (devices.length > 0) parts.push(`devices: ${few(devices)}`);
  if (pages.length > 0) {
    const names = few(pages.map((page) => `0x${hex(page)}`));
    parts.push(exactPages ? `pages of RAM: ${names}` : `some of these pages of RAM: ${names}`);
  }
  return parts.join('; ');
}

function hex(value: bigint | number): string {
  return value.toString(16);
}

function few(items: readonly string[]): string {
  const rest = items.length - SHOWN;
  return rest > 0 ? `${items.slice(0, SHOWN).join(', ')} and ${rest} more` : items.join(', ');
}
