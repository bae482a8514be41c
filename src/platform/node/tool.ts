import { existsSync, readFileSync } from 'node:fs';

/** What files are written by, such as "godwit 0.1.0". */
export function toolName(): string {
  // Built for the benchmarks, this file lies one folder deeper.
  for (const up of ['../../..', '../../../..']) {
    const url = new URL(`${up}/package.json`, import.meta.url);
    if (existsSync(url)) return `godwit ${(JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version}`;
  }
  return 'godwit';
}
