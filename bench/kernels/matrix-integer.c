/* Product of 32-bit integer matrices: nested loops, multiply and add, strided loads. */
#include "kernel.h"

enum { SIZE = 96 };
static int32_t a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];

void prepare(void)
{
    uint64_t state = 2;
    for (int i = 0; i < SIZE; i++) {
        for (int j = 0; j < SIZE; j++) {
            a[i][j] = (int32_t)(next_random(&state) & 0xffff) - 0x8000;
            b[i][j] = (int32_t)(next_random(&state) & 0xffff) - 0x8000;
        }
    }
}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++) {
        for (int i = 0; i < SIZE; i++) {
            for (int j = 0; j < SIZE; j++) {
                uint32_t dot = 0;
                for (int k = 0; k < SIZE; k++)
                    dot += (uint32_t)a[i][k] * (uint32_t)b[k][j];
                c[i][j] = (int32_t)dot;
            }
        }
        a[r % SIZE][(r * 7) % SIZE] ^= c[(r * 3) % SIZE][r % SIZE] & 0xff;
        sum = mix(sum, (uint32_t)c[(r * 5) % SIZE][(r * 11) % SIZE]);
    }
    return sum;
}
