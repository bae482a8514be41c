/** What is said after a run. */

const SHOWN_EACH = 3;

/** Skipped tests by file, so that nothing that was left out goes unnoticed. */
export function describeSkipped(skipped) {
  const files = new Map();
  for (const { file, name } of skipped) files.set(file, [...(files.get(file) ?? []), name]);
  const lines = [];
  for (const [file, names] of files) {
    lines.push(`skipped in ${file}:`);
    for (const name of names.slice(0, SHOWN_EACH)) lines.push(`  ${name}`);
    if (names.length > SHOWN_EACH) lines.push(`  and ${names.length - SHOWN_EACH} more`);
  }
  return lines.join('\n');
}

export function countLine(passed, failed, skipped) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
