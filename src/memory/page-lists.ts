/** The numbers that either has, rising and each once. Both rise; each is asked only as far as needed. */
export function* unionOf(one: Iterable<number>, other: Iterable<number>): Generator<number> {
  const sides = [one[Symbol.iterator](), other[Symbol.iterator]()] as const;
  const next = (side: Iterator<number>): number => {
    const { done, value } = side.next();
    return done ? Number.POSITIVE_INFINITY : value;
  };
  let [a, b] = [next(sides[0]), next(sides[1])];
  while (a !== Number.POSITIVE_INFINITY || b !== Number.POSITIVE_INFINITY) {
    const least = Math.min(a, b);
    yield least;
    if (a === least) a = next(sides[0]);
    if (b === least) b = next(sides[1]);
  }
}

/** 0 to below `end`. */
export function* numbersBelow(end: number): Generator<number> {
  for (let i = 0; i < end; i++) yield i;
}
