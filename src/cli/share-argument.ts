import type { ShareOptions } from '../api/index.ts';
import { GodwitError } from '../common/errors.ts';

/** Stands for a comma of a name; no path has it. */
const COMMA = '\0';

/**
 * Reads DIR[:MOUNT][,readonly][,common]. A comma in a name is written twice. MOUNT is absolute, so a colon that no "/"
 * follows belongs to DIR. Throws GodwitError('usage').
 */
export function parseShareArgument(text: string): ShareOptions {
  const [place = '', ...settings] = text
    .replaceAll(',,', COMMA)
    .split(',')
    .map((part) => part.replaceAll(COMMA, ','));
  const [, path = '', mount] = /^(.*?)(?::(\/[^:]*))?$/s.exec(place) ?? [];
  if (path === '') throw new GodwitError('usage', '--share needs a folder.', { hint: HINT });
  return Object.assign({ path, ...(mount !== undefined && { mount }) }, ...settings.map(parseSetting));
}

const HINT = 'Write --share DIR[:MOUNT][,readonly][,common]; a comma in a name is written twice.';

function parseSetting(setting: string): Partial<ShareOptions> {
  if (setting === 'readonly') return { readonly: true };
  if (setting === 'common') return { common: true };
  throw new GodwitError('usage', `--share knows no "${setting}".`, { hint: HINT });
}
