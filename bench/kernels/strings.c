/* C library string work: split a text into words, compare, search, copy, join, print and parse numbers. */
#include "kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 1 << 14, WORDS = 2048 };
static char text[TEXT_BYTES], copy[TEXT_BYTES], joined[2 * TEXT_BYTES];
static char *words[WORDS];

void prepare(void)
{
    static const char *const syllables[] = {"ba", "do", "gri", "lun", "mes", "no", "per", "qui", "sto", "ver"};
    uint64_t state = 5;
    size_t at = 0;
    while (at < TEXT_BYTES - 32) {
        for (uint64_t left = 1 + next_random(&state) % 4; left > 0; left--) {
            const char *syllable = syllables[next_random(&state) % 10];
            at += (size_t)sprintf(text + at, "%s", syllable);
        }
        text[at++] = next_random(&state) % 8 == 0 ? '\n' : ' ';
    }
    text[at] = 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++) {
        strcpy(copy, text);
        size_t count = 0;
        for (char *word = strtok(copy, " \n"); word && count < WORDS; word = strtok(NULL, " \n"))
            words[count++] = word;
        qsort(words, count, sizeof *words, by_name);
        char *end = joined;
        size_t different = 0;
        for (size_t i = 0; i < count; i++) {
            if (i > 0 && strcmp(words[i], words[i - 1]) == 0)
                continue;
            different++;
            end = stpcpy(end, words[i]);
            *end++ = i % 3 ? ',' : ';';
        }
        *end = 0;
        for (char *found = joined; (found = strstr(found, "lungri")) != NULL; found++)
            sum = mix(sum, (uint64_t)(found - joined));
        char number[32];
        for (unsigned i = 0; i < 64; i++) {
            snprintf(number, sizeof number, "%lu:%x", (unsigned long)(r * 977 + i * i), i);
            sum += strtoul(number, NULL, 10) + strlen(number);
        }
        sum = mix(sum, different * 65536 + strlen(joined));
    }
    return sum;
}
