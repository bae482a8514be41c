import type { Batch } from './batch.ts';
import { compareBatch, describeMismatch, shortest } from './compare.ts';
import type { Godwit } from './godwit.ts';

const REPORT_LIMIT = 5;
/** Cases longer than this are cut down before they are shown. */
const SHORT_BYTES = 16;

/** Runs a batch on each machine and notes what is wrong, the first few in full. */
export async function runBatch(batch: Batch, godwit: Godwit, reports: string[]): Promise<void> {
  const outcome = await compareBatch(batch, godwit);
  for (const mismatch of outcome.mismatches) {
    if (reports.length >= REPORT_LIMIT) break;
    const cut =
      batch.listings[mismatch.index]!.bytes > SHORT_BYTES ? await shortest(batch, godwit, mismatch) : undefined;
    reports.push(
      cut
        ? describeMismatch(cut.batch, cut.outcome, cut.outcome.mismatches[0]!)
        : describeMismatch(batch, outcome, mismatch),
    );
  }
  const rest = outcome.mismatches.length - REPORT_LIMIT;
  if (rest > 0) reports.push(`and ${rest} more`);
}
