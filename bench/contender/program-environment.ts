/**
 * What `bin/godwit` puts into the environment of its process, so that what is measured is what users of the program
 * get.
 */
export const PROGRAM_ENVIRONMENT: Readonly<Record<string, string>> = { MALLOC_TRIM_THRESHOLD_: '262144' };
