/* Reads and changes 64-bit words all over 64 MiB: every access misses caches and TLBs. Half of them depend on the one before. */
#include "kernel.h"

#include <stdlib.h>

#define WORDS (((size_t)64 << 20) / sizeof(uint64_t))
static uint64_t *words;

void prepare(void)
{
    words = malloc(WORDS * sizeof *words);
    if (!words)
        fail("malloc");
    for (size_t i = 0; i < WORDS; i++)
        words[i] = i * 0x9e3779b97f4a7c15u;
}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0, chain = 1, state = 12;
    for (uint64_t r = 0; r < repetitions; r++) {
        for (int i = 0; i < 1000; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            words[(state >> 33) % WORDS] += chain;
            chain = words[(chain ^ state >> 17) % WORDS];
        }
        sum = mix(sum, chain);
    }
    return sum;
}
