import type { DiskOptions } from '../api/index.ts';
import { GodwitError } from '../common/errors.ts';

/** Stands for a comma of a name; no path has it. */
const COMMA = '\0';

/**
 * Reads FILE[,readonly][,format=raw|qcow2][,serial=TEXT]. A comma in a file's name is written twice. Throws
 * GodwitError('usage').
 */
export function parseDiskArgument(text: string): DiskOptions {
  const [path = '', ...settings] = text
    .replaceAll(',,', COMMA)
    .split(',')
    .map((part) => part.replaceAll(COMMA, ','));
  if (path === '') throw new GodwitError('usage', '--disk needs the path of an image.');
  return Object.assign({ path }, ...settings.map(parseSetting));
}

function parseSetting(setting: string): Partial<DiskOptions> {
  const [, name, value] = /^([a-z]+)(?:=(.*))?$/.exec(setting) ?? [];
  if (name === 'readonly' && value === undefined) return { readonly: true };
  if (name === 'serial' && value !== undefined) return { serial: value };
  if (name === 'format' && (value === 'raw' || value === 'qcow2')) return { format: value };
  throw new GodwitError('usage', `--disk knows no "${setting}".`, {
    hint: 'Write --disk FILE[,readonly][,format=raw|qcow2][,serial=TEXT]; a comma in a name is written twice.',
  });
}
