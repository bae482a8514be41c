/*
 * Bodies that attract each other (division, square root), a polynomial by fused multiply-add, single precision, comparisons
 * and conversions: what scientific and graphics code does besides products.
 */
#include "kernel.h"

#include <math.h>
#include <string.h>

enum { BODIES = 6 };
static double place[BODIES][3], speed[BODIES][3], weight[BODIES];

void prepare(void)
{
    uint64_t state = 4;
    for (int i = 0; i < BODIES; i++) {
        weight[i] = 0.5 + (double)(next_random(&state) >> 40) * 0x1p-24;
        for (int d = 0; d < 3; d++) {
            place[i][d] = (double)(int64_t)next_random(&state) * 0x1p-60;
            speed[i][d] = (double)(int64_t)next_random(&state) * 0x1p-66;
        }
    }
}

static void attract(double step)
{
    for (int i = 0; i < BODIES; i++) {
        for (int j = i + 1; j < BODIES; j++) {
            double dx = place[i][0] - place[j][0];
            double dy = place[i][1] - place[j][1];
            double dz = place[i][2] - place[j][2];
            double square = dx * dx + dy * dy + dz * dz + 0.01;
            double pull = step / (square * sqrt(square));
            double gives = weight[j] * pull, takes = weight[i] * pull;
            speed[i][0] -= dx * gives;
            speed[i][1] -= dy * gives;
            speed[i][2] -= dz * gives;
            speed[j][0] += dx * takes;
            speed[j][1] += dy * takes;
            speed[j][2] += dz * takes;
        }
    }
    for (int i = 0; i < BODIES; i++)
        for (int d = 0; d < 3; d++)
            place[i][d] += step * speed[i][d];
}

/* The sine's series. */
static double polynomial(double x)
{
    double square = x * x;
    double y = fma(square, -2.5052108385441720e-08, 2.7557319223985893e-06);
    y = fma(y, square, -1.9841269841269841e-04);
    y = fma(y, square, 8.3333333333333332e-03);
    y = fma(y, square, -1.6666666666666666e-01);
    return fma(y * square, x, x);
}

static float smooth(float *line, int count)
{
    float peak = 0;
    for (int i = 1; i + 1 < count; i++) {
        line[i] = 0.25f * line[i - 1] + 0.5f * line[i] + 0.25f * line[i + 1];
        if (line[i] > peak)
            peak = line[i];
    }
    return peak;
}

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    float line[64];
    for (uint64_t r = 0; r < repetitions; r++) {
        attract(0.001);
        double total = 0;
        for (int i = 0; i < 32; i++)
            total += polynomial((double)(int64_t)(r + (uint64_t)i) * 0.03125 - (double)(int64_t)(r / 32));
        for (int i = 0; i < 64; i++)
            line[i] = (float)((i * 37 + (int)r) % 101) - (float)total;
        float peak = smooth(line, 64);
        sum = mix(sum, bits_of(total) ^ (uint64_t)(int64_t)(peak * 1024.0f));
        sum = mix(sum, bits_of(place[r % BODIES][r % 3]));
    }
    return sum;
}
