/* Product of matrices of doubles: inexact multiplications and additions, one after the other. */
#include "kernel.h"

#include <string.h>

enum { SIZE = 96 };
static double a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];

void prepare(void)
{
    uint64_t state = 3;
    for (int i = 0; i < SIZE; i++) {
        for (int j = 0; j < SIZE; j++) {
            a[i][j] = (double)(int64_t)next_random(&state) * 0x1p-63;
            b[i][j] = (double)(int64_t)next_random(&state) * 0x1p-63;
        }
    }
}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++) {
        for (int i = 0; i < SIZE; i++) {
            for (int j = 0; j < SIZE; j++) {
                double dot = 0;
                for (int k = 0; k < SIZE; k++)
                    dot += a[i][k] * b[k][j];
                c[i][j] = dot;
            }
        }
        a[r % SIZE][(r * 7) % SIZE] = c[(r * 3) % SIZE][r % SIZE] * 0.125;
        uint64_t bits;
        memcpy(&bits, &c[(r * 5) % SIZE][(r * 11) % SIZE], sizeof bits);
        sum = mix(sum, bits);
    }
    return sum;
}
