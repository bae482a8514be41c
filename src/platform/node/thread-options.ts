/** Where the program's own text is, or how to read it: threads have files. */
const OF_PROGRAM_TEXT = new Set(['-e', '--eval', '-p', '-pe', '--print', '--input-type']);

/**
 * What a thread gets of Node's options. Left to itself it inherits those of the process, which Node refuses where they
 * say what the main thread runs: so a program given as `node --input-type=module --eval ...` could have no machine.
 * Then it gets none, since of those that are named Node refuses all that go for the whole process, such as --expose-gc.
 */
export function threadOptions(all: readonly string[] = process.execArgv): { execArgv?: string[] } {
  return all.some((option) => OF_PROGRAM_TEXT.has(option.split('=', 1)[0]!)) ? { execArgv: [] } : {};
}
