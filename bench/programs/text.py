"""Writes COUNT million bytes that compress about as well as program text: always the same ones.

Four million bytes are made and repeated. No window of gzip or `xz -1` reaches
back that far, so the repetition does not make it easier.
"""

import random
import sys
from itertools import accumulate

BLOCK = 4_000_000
chance = random.Random(1)
letters = "etaoinshrdlucmfwygpbvkxqjz"
words = ["".join(chance.choices(letters, range(26, 0, -1), k=chance.randint(1, 11))) for _ in range(6000)]
weights = list(accumulate(1 / (rank + 5) for rank in range(len(words))))


def lines():
    size = 0
    while size < BLOCK:
        line = " ".join(chance.choices(words, cum_weights=weights, k=chance.randint(4, 16)))
        line += f" {chance.randint(0, 99_999)};\n"
        size += len(line)
        yield line


block = "".join(lines())[:BLOCK].encode()
left = int(sys.argv[1]) * 1_000_000
while left > 0:
    sys.stdout.buffer.write(block[:left])
    left -= BLOCK
