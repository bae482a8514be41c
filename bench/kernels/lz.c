/* A compressor in the manner of LZ4 (greedy, hash of four bytes, literal runs and matches), and its decompressor. */
#include "kernel.h"

#include <string.h>

enum { BYTES = 1 << 16, HASH_BITS = 12, WINDOW = 65535, LEAST_MATCH = 4 };
static uint8_t input[BYTES], packed[BYTES + BYTES / 128 + 64], output[BYTES];
static uint32_t last_seen[1 << HASH_BITS];

/* Phrases that come again, with noise between: about what text compresses to. */
void prepare(void)
{
    uint64_t state = 10;
    size_t at = 0;
    while (at < BYTES) {
        uint64_t choice = next_random(&state);
        size_t length = 3 + (choice >> 8) % 24;
        if (length > BYTES - at)
            length = BYTES - at;
        if (at > 64 && choice % 4 != 0) {
            size_t distance = 1 + (choice >> 16) % (at < 8192 ? at : 8192);
            for (size_t i = 0; i < length; i++, at++)
                input[at] = input[at - distance];
        } else {
            for (size_t i = 0; i < length; i++, at++)
                input[at] = (uint8_t)(32 + next_random(&state) % 64);
        }
    }
}

static uint32_t four_bytes(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint8_t *put_length(uint8_t *out, size_t rest)
{
    for (; rest >= 255; rest -= 255)
        *out++ = 255;
    *out++ = (uint8_t)rest;
    return out;
}

/*
 * Token (4 bits literal count, 4 bits match length), more length bytes, literals, distance, more length bytes. Length 0: the
 * literals at the end, without a match.
 */
static uint8_t *put_sequence(uint8_t *out, const uint8_t *literals, size_t count, size_t distance, size_t length)
{
    size_t rest = length == 0 ? 0 : length - LEAST_MATCH;
    *out++ = (uint8_t)((count < 15 ? count : 15) << 4 | (rest < 15 ? rest : 15));
    if (count >= 15)
        out = put_length(out, count - 15);
    memcpy(out, literals, count);
    out += count;
    if (length == 0)
        return out;
    *out++ = (uint8_t)distance;
    *out++ = (uint8_t)(distance >> 8);
    return rest >= 15 ? put_length(out, rest - 15) : out;
}

static size_t compress(void)
{
    const uint8_t *at = input, *anchor = input, *end = input + BYTES;
    uint8_t *out = packed;
    memset(last_seen, 0xff, sizeof last_seen);
    while (at + LEAST_MATCH <= end) {
        uint32_t *slot = &last_seen[(four_bytes(at) * 2654435761u) >> (32 - HASH_BITS)];
        uint32_t candidate = *slot;
        uint32_t here = (uint32_t)(at - input);
        *slot = here;
        if (candidate == UINT32_MAX || here - candidate > WINDOW || four_bytes(input + candidate) != four_bytes(at)) {
            at++;
            continue;
        }
        size_t length = LEAST_MATCH;
        while (at + length < end && input[candidate + length] == at[length])
            length++;
        out = put_sequence(out, anchor, (size_t)(at - anchor), here - candidate, length);
        at += length;
        anchor = at;
    }
    return (size_t)(put_sequence(out, anchor, (size_t)(end - anchor), 0, 0) - packed);
}

static size_t more_length(const uint8_t **in)
{
    size_t length = 0;
    uint8_t byte;
    do
        length += byte = *(*in)++;
    while (byte == 255);
    return length;
}

static size_t decompress(size_t packed_bytes)
{
    const uint8_t *in = packed, *end = packed + packed_bytes;
    uint8_t *out = output;
    for (;;) {
        uint8_t token = *in++;
        size_t count = token >> 4, length = LEAST_MATCH + (token & 15);
        if (count == 15)
            count += more_length(&in);
        memcpy(out, in, count);
        out += count;
        in += count;
        if (in >= end)
            return (size_t)(out - output);
        size_t distance = in[0] | (size_t)in[1] << 8;
        in += 2;
        if ((token & 15) == 15)
            length += more_length(&in);
        for (const uint8_t *from = out - distance; length > 0; length--)
            *out++ = *from++;
    }
}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++) {
        input[(r * 4099) % BYTES] ^= 1;
        size_t bytes = compress();
        size_t back = decompress(bytes);
        sum = mix(sum, bytes + (memcmp(input, output, BYTES) == 0 && back == BYTES ? 0 : 1u << 31));
    }
    return sum;
}
