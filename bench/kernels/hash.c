/* FNV-1a, CRC-32 by table, and a hash table with open addressing: byte loops, table look-ups, data-dependent probes. */
#include "kernel.h"

#include <string.h>

enum { BYTES = 1 << 15, SLOTS = 1 << 13 };
static uint8_t data[BYTES];
static uint32_t crc_table[256];
static struct {
    uint64_t key;
    uint64_t value;
} slots[SLOTS];

void prepare(void)
{
    uint64_t state = 6;
    for (int i = 0; i < BYTES; i++)
        data[i] = (uint8_t)next_random(&state);
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        crc_table[i] = crc;
    }
}

static uint64_t fnv(const uint8_t *bytes, size_t count)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static uint32_t crc32(const uint8_t *bytes, size_t count)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < count; i++)
        crc = crc >> 8 ^ crc_table[(crc ^ bytes[i]) & 255];
    return ~crc;
}

static uint64_t count_key(uint64_t key)
{
    uint64_t at = (key * 0x9e3779b97f4a7c15u) >> 51;
    while (slots[at].key != 0 && slots[at].key != key)
        at = (at + 1) % SLOTS;
    slots[at].key = key;
    return ++slots[at].value;
}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++) {
        data[r % BYTES] ^= (uint8_t)r;
        sum = mix(sum, fnv(data, BYTES));
        sum = mix(sum, crc32(data, BYTES));
        memset(slots, 0, sizeof slots);
        uint64_t state = r, twice = 0;
        for (int i = 0; i < 2 * SLOTS; i++)
            twice += count_key(1 + next_random(&state) % (SLOTS * 3 / 4)) == 2;
        sum = mix(sum, twice);
    }
    return sum;
}
