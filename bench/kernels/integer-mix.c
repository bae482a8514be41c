/* The kind of mix that CoreMark made popular, written anew: list search and sort, small matrices, a scanner, CRC-16 over all. */
#include "kernel.h"

#include <string.h>

enum { ITEMS = 40, SIZE = 9, LINE = 256 };
struct item {
    struct item *next;
    int16_t key;
    int16_t place;
};
static struct item items[ITEMS];
static int16_t left[SIZE][SIZE], right[SIZE][SIZE];
static char line[LINE + 1];

void prepare(void)
{
    uint64_t state = 13;
    for (int i = 0; i < SIZE; i++) {
        for (int j = 0; j < SIZE; j++) {
            left[i][j] = (int16_t)next_random(&state);
            right[i][j] = (int16_t)next_random(&state);
        }
    }
    static const char alphabet[] = "0123456789,,,,+-.eEx5 ";
    for (int i = 0; i < LINE; i++)
        line[i] = alphabet[next_random(&state) % (sizeof alphabet - 1)];
}

static uint16_t crc16(uint16_t crc, uint32_t value, int bits)
{
    for (int i = 0; i < bits; i++, value >>= 1) {
        int carry = (crc ^ value) & 1;
        crc >>= 1;
        if (carry)
            crc ^= 0xa001;
    }
    return crc;
}

static struct item *make_list(uint32_t seed)
{
    for (int i = 0; i < ITEMS; i++) {
        items[i].next = i + 1 < ITEMS ? &items[i + 1] : 0;
        items[i].key = (int16_t)((seed * (uint32_t)(i + 1) * 40503u) >> 8);
        items[i].place = (int16_t)i;
    }
    return items;
}

static int by_key(const struct item *a, const struct item *b) { return a->key - b->key; }
static int by_place(const struct item *a, const struct item *b) { return a->place - b->place; }

static struct item *insert_sorted(struct item *list, int (*compare)(const struct item *, const struct item *))
{
    struct item *sorted = 0;
    while (list) {
        struct item *item = list, **at = &sorted;
        list = list->next;
        while (*at && compare(*at, item) <= 0)
            at = &(*at)->next;
        item->next = *at;
        *at = item;
    }
    return sorted;
}

static uint16_t list_work(uint16_t crc, uint32_t seed)
{
    struct item *list = make_list(seed);
    for (int search = 0; search < 8; search++) {
        struct item *found = list;
        while (found && (found->key & 31) != search)
            found = found->next;
        crc = crc16(crc, found ? (uint16_t)found->place : 0xffff, 16);
    }
    list = insert_sorted(list, by_key);
    crc = crc16(crc, (uint16_t)list->key, 16);
    list = insert_sorted(list, by_place);
    for (struct item *item = list; item; item = item->next)
        crc = crc16(crc, (uint8_t)item->key, 8);
    return crc;
}

static uint16_t matrix_work(uint16_t crc, uint32_t seed)
{
    for (int i = 0; i < SIZE; i++) {
        for (int j = 0; j < SIZE; j++) {
            int32_t dot = 0, parts = 0;
            for (int k = 0; k < SIZE; k++) {
                int32_t product = (left[i][k] + (int16_t)seed) * right[k][j];
                dot += product >> 4;
                parts += (product >> 2 & 15) * (product >> 5 & 127);
            }
            crc = crc16(crc, (uint16_t)(dot ^ parts), 16);
        }
    }
    return crc;
}

static uint16_t scan_work(uint16_t crc, uint32_t seed)
{
    uint32_t counts[6] = {0};
    int state = 0;
    line[seed % LINE] ^= 1;
    for (const char *c = line; *c; c++) {
        int digit = *c >= '0' && *c <= '9';
        switch (state) {
        case 0: state = digit ? 1 : *c == '+' || *c == '-' ? 2 : *c == '.' ? 3 : *c == ',' ? 0 : 5; break;
        case 1: state = digit ? 1 : *c == '.' ? 3 : *c == 'e' || *c == 'E' ? 4 : *c == ',' ? 0 : 5; break;
        case 2: state = digit ? 1 : *c == '.' ? 3 : 5; break;
        case 3: state = digit ? 3 : *c == 'e' || *c == 'E' ? 4 : *c == ',' ? 0 : 5; break;
        case 4: state = digit || *c == '+' || *c == '-' ? 4 : *c == ',' ? 0 : 5; break;
        default: state = *c == ',' ? 0 : 5; break;
        }
        counts[state]++;
    }
    for (int i = 0; i < 6; i++)
        crc = crc16(crc, counts[i], 16);
    return crc;
}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++) {
        uint16_t crc = (uint16_t)r;
        crc = list_work(crc, (uint32_t)r);
        crc = matrix_work(crc, (uint32_t)r);
        crc = scan_work(crc, (uint32_t)r);
        sum = mix(sum, crc);
    }
    return sum;
}
