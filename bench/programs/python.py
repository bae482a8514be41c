"""What Python programs commonly do, COUNT times: calls, objects, floats, text, sorting, large integers, the standard library."""

import hashlib
import json
import math
import random
import re
import sys
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from heapq import heappop, heappush


def queens(size):
    def place(row, columns, rising, falling):
        if row == size:
            return 1
        found = 0
        for column in range(size):
            if column in columns or row + column in rising or row - column in falling:
                continue
            found += place(row + 1, columns | {column}, rising | {row + column}, falling | {row - column})
        return found

    return place(0, frozenset(), frozenset(), frozenset())


@dataclass
class Body:
    position: list
    velocity: list
    mass: float


def gravity(steps):
    bodies = [
        Body([math.cos(i) * (i + 1), math.sin(i) * (i + 1), i * 0.1], [0.0, 0.1 * i, -0.05], 1.0 / (i + 1))
        for i in range(5)
    ]
    for _ in range(steps):
        for i, a in enumerate(bodies):
            for b in bodies[i + 1 :]:
                apart = [p - q for p, q in zip(a.position, b.position)]
                square = sum(d * d for d in apart) + 0.01
                pull = 0.001 / (square * math.sqrt(square))
                for axis, d in enumerate(apart):
                    a.velocity[axis] -= d * b.mass * pull
                    b.velocity[axis] += d * a.mass * pull
        for body in bodies:
            body.position = [p + 0.001 * v for p, v in zip(body.position, body.velocity)]
    return "".join(f"{p:.9f}" for body in bodies for p in body.position)


class Shape:
    def area(self):
        raise NotImplementedError


class Square(Shape):
    def __init__(self, side):
        self.side = side

    def area(self):
        return self.side * self.side


class Rectangle(Square):
    def __init__(self, side, other):
        super().__init__(side)
        self.other = other

    def area(self):
        return self.side * self.other


def objects(count):
    shapes = [Square(i % 7) if i % 3 else Rectangle(i % 5, i % 11) for i in range(count)]
    return sum(shape.area() for shape in shapes)


def text(chance, count):
    words = ["".join(chance.choices("abcdefghij", k=4)) for _ in range(count)]
    counted = Counter(words)
    page = " ".join(f"{word}={n}" for word, n in counted.most_common())
    numbers = [int(m.group(2)) for m in re.finditer(r"([a-e]\w+)=(\d+)", page)]
    replaced = re.sub(r"\b(\w)(\w+)=", lambda m: m.group(2).title() + m.group(1), page)
    return sum(numbers), hashlib.md5(replaced.upper().encode()).hexdigest()


def records(chance, count):
    people = [{"id": i, "name": f"name {chance.random():.6f}", "tags": [i % 3, i % 5], "parent": None} for i in range(count)]
    copies = json.loads(json.dumps(people))
    copies.sort(key=lambda person: (person["tags"], person["name"]))
    groups = defaultdict(list)
    for person in copies:
        groups[tuple(person["tags"])].append(person["id"])
    return sorted((key, sum(ids)) for key, ids in groups.items())


def shortest_paths(chance, nodes):
    edges = [[(chance.randrange(nodes), chance.randint(1, 100)) for _ in range(5)] for _ in range(nodes)]
    distance, heap = {}, [(0, 0)]
    while heap:
        so_far, node = heappop(heap)
        if node in distance:
            continue
        distance[node] = so_far
        for target, length in edges[node]:
            if target not in distance:
                heappush(heap, (so_far + length, target))
    queue, seen = deque([0]), {0}
    while queue:
        for target, _ in edges[queue.popleft()]:
            if target not in seen:
                seen.add(target)
                queue.append(target)
    return sum(distance.values()), len(seen)


def large_integers(count):
    a, b = 0, 1
    for _ in range(count):
        a, b = b, a + b
    return pow(a, 65537, (1 << 521) - 1), len(str(a)), math.factorial(count // 4) % 1_000_000_007


def one_round(number):
    chance = random.Random(number)
    return [
        queens(6),
        gravity(150),
        objects(15_000),
        text(chance, 10_000),
        records(chance, 1500),
        shortest_paths(chance, 1500),
        large_integers(3000),
    ]


def main():
    digest = hashlib.sha256()
    for number in range(int(sys.argv[1])):
        digest.update(repr(one_round(number)).encode())
    print(digest.hexdigest())


main()
