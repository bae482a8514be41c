/** Paths as all parts of godwit but a host's own write them: names with `/` between them, on every host. */

export function isAbsolutePath(path: string): boolean {
  return path.startsWith('/');
}

/** Puts parts together, and takes `.`, `..` and empty names out. */
export function joinPath(...parts: readonly string[]): string {
  const path = parts.filter((part) => part !== '').join('/');
  const names = namesOf(path);
  if (isAbsolutePath(path)) return `/${names.join('/')}`;
  return names.length === 0 ? '.' : names.join('/');
}

/** The folder that something lies in. */
export function parentPath(path: string): string {
  const end = withoutSlashes(path).lastIndexOf('/');
  if (end < 0) return '.';
  return withoutSlashes(path.slice(0, end)) || '/';
}

/** The last name. */
export function baseName(path: string): string {
  const whole = withoutSlashes(path);
  return whole.slice(whole.lastIndexOf('/') + 1);
}

/** The way to `to`, seen from the folder `from`. Both are absolute, or both relative to the same folder. '': they are the same. */
export function relativePath(from: string, to: string): string {
  const [start, end] = [namesOf(from), namesOf(to)];
  let common = 0;
  while (common < start.length && common < end.length && start[common] === end[common]) common++;
  return [...start.slice(common).map(() => '..'), ...end.slice(common)].join('/');
}

function namesOf(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') names.push(name);
    else if (names.length > 0 && names.at(-1) !== '..') names.pop();
    else if (!isAbsolutePath(path)) names.push('..');
  }
  return names;
}

function withoutSlashes(path: string): string {
  let end = path.length;
  while (end > 1 && path[end - 1] === '/') end--;
  return path.slice(0, end);
}
