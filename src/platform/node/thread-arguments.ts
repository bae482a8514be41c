/** Where the program's own text is, or how to read it: threads have files. Each may be followed by its value. */
const OF_PROGRAM_TEXT = new Set(['-e', '--eval', '-p', '-pe', '--print', '--input-type']);

/**
 * Node's options for a thread: those of the process, without what says what the main thread runs. Node would refuse a thread with those, so a
 * program given as `node --input-type=module --eval ...` could have no machine.
 */
export function threadArguments(all: readonly string[] = process.execArgv): string[] {
  const kept: string[] = [];
  for (let i = 0; i < all.length; i++) {
    const [name] = all[i]!.split('=', 1);
    if (!OF_PROGRAM_TEXT.has(name!)) kept.push(all[i]!);
    else if (all[i] === name && all[i + 1]?.startsWith('-') === false) i++;
  }
  return kept;
}
