/* Sieve of Eratosthenes over odd numbers, one byte each: tight loops of byte stores with growing strides. */
#include "kernel.h"

#include <string.h>

enum { LIMIT = 1 << 20 };
static uint8_t composite[LIMIT / 2];

void prepare(void) {}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++) {
        uint32_t limit = LIMIT - 2 * (uint32_t)(r & 255), count = 0;
        memset(composite, 0, sizeof composite);
        for (uint32_t i = 3; i < limit; i += 2) {
            if (composite[i / 2])
                continue;
            count++;
            for (uint64_t j = (uint64_t)i * i; j < limit; j += 2 * i)
                composite[j / 2] = 1;
        }
        sum = mix(sum, count);
    }
    return sum;
}
