/* Copies 32 MiB to another 32 MiB in blocks of several sizes, aligned and not, with the C library's memcpy and memset. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#define HALF ((size_t)32 << 20)
static uint8_t *from, *to;

void prepare(void)
{
    from = malloc(HALF + 8);
    to = malloc(HALF);
    if (!from || !to)
        fail("malloc");
    uint64_t state = 11;
    for (size_t i = 0; i < HALF + 8; i += 8) {
        uint64_t value = next_random(&state);
        memcpy(from + i, &value, 8);
    }
    memset(to, 1, HALF);
}

uint64_t work(uint64_t repetitions)
{
    static const size_t blocks[] = {HALF, 65536, 4096, 500};
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++) {
        size_t block = blocks[r % 4], shift = r % 8;
        for (size_t at = 0; at + block <= HALF; at += block)
            memcpy(to + at, from + at + shift, block);
        memset(to + (r % 16) * (HALF / 16), (int)r, HALF / 16);
        for (size_t i = 0; i < HALF; i += 65521)
            sum = mix(sum, to[i]);
    }
    return sum;
}
