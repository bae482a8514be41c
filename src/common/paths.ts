/** Paths with `/` between names, as POSIX has them. They are only text here: nothing looks at a file. */

export function isAbsolute(path: string): boolean {
  return path.startsWith('/');
}

/** Without `.`, and without `..` where a name comes before it; "." for nothing at all. */
export function normalize(path: string): string {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') names.push(name);
    else if (names.length > 0 && names.at(-1) !== '..') names.pop();
    else if (!isAbsolute(path)) names.push(name);
  }
  const text = names.join('/');
  return isAbsolute(path) ? `/${text}` : text || '.';
}

/** Each part is seen from the one before it, absolute or not. */
export function join(...parts: readonly string[]): string {
  return normalize(parts.filter((part) => part !== '').join('/'));
}

/** What `path` is called from within `folder`; as it is when it is absolute. */
export function resolveFrom(folder: string, path: string): string {
  return isAbsolute(path) ? normalize(path) : join(folder, path);
}

/** What it lies in; "." for a mere name. */
export function dirname(path: string): string {
  const trimmed = withoutEndSlashes(path);
  const slash = trimmed.lastIndexOf('/');
  if (slash < 0) return isAbsolute(path) ? '/' : '.';
  return withoutEndSlashes(trimmed.slice(0, slash)) || '/';
}

/** The last name; without `ending`, if it has that and more. */
export function basename(path: string, ending = ''): string {
  const trimmed = withoutEndSlashes(path);
  const name = trimmed.slice(trimmed.lastIndexOf('/') + 1);
  return ending !== '' && name !== ending && name.endsWith(ending) ? name.slice(0, -ending.length) : name;
}

/**
 * The way from a folder to a path; "" when they are the same. Both are absolute, or both relative to the same folder.
 */
export function relative(folder: string, path: string): string {
  const from = namesOf(folder);
  const to = namesOf(path);
  let common = 0;
  while (common < from.length && common < to.length && from[common] === to[common]) common++;
  return [...from.slice(common).map(() => '..'), ...to.slice(common)].join('/');
}

function namesOf(path: string): string[] {
  return normalize(path)
    .split('/')
    .filter((name) => name !== '' && name !== '.');
}

function withoutEndSlashes(path: string): string {
  return path.replace(/\/+$/, '');
}
