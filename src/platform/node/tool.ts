import { readFileSync } from 'node:fs';

/** What files are written by, such as "godwit 0.1.0". */
export function toolName(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return `godwit ${(JSON.parse(text) as { version: string }).version}`;
}
