import { GodwitError } from './errors.ts';
import { anyText, number } from './schema.ts';

const UNITS: Readonly<Record<string, number>> = { B: 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/**
 * Reads a size as people write it: a number and a unit of 1024, such as "512M", "1.5G", "64KiB", "1048576B". Without a
 * unit the number is in MiB. Gives whole bytes. `what` names it in the message of GodwitError('usage').
 */
export function parseByteSize(what: string, text: string): number {
  anyText().parse(what, 'what');
  anyText().parse(text, 'text');
  const [, amount = '', unit = 'M'] =
    /^(\d+(?:\.\d+)?)\s*(?:(B)|([KMGT])(?:i?B)?)?$/i.exec(text.trim())?.filter(Boolean) ?? [];
  const bytes = Number(amount) * UNITS[unit.toUpperCase()]!;
  if (amount === '' || !Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new GodwitError('usage', `${what} cannot be "${text}".`, {
      hint: 'Write a number and a unit, such as 512M or 2G.',
    });
  }
  return bytes;
}

const SIZE = number(0, Number.MAX_VALUE);

/** The reverse, short: 536870912 is "512 MiB". */
export function formatByteSize(bytes: number): string {
  SIZE.parse(bytes, 'bytes');
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let index = 0;
  let amount = bytes;
  while (amount >= 1024 && index < units.length - 1) {
    amount /= 1024;
    index++;
  }
  return `${Number(amount.toFixed(amount < 10 ? 1 : 0))} ${units[index]}`;
}
