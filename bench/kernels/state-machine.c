/* Scans JSON-like text character by character: a switch in a loop, with a state that decides where each goes. */
#include "kernel.h"

#include <string.h>

enum { BYTES = 1 << 15 };
static char text[BYTES + 1];

enum state { BETWEEN, IN_STRING, ESCAPED, IN_INTEGER, IN_FRACTION, IN_EXPONENT, IN_WORD, BROKEN };

void prepare(void)
{
    static const char *const pieces[] = {
        "{\"name\": \"godwit\", ", "\"speed\": 12.75e3, ", "[1, 22, -333, 4.5],", " true ", "null,", "\"a\\\"b\\\\c\"", "} ", " : ",
        "false", "-0.001e-9,", "\n\t", "&x",
    };
    uint64_t state = 7;
    size_t at = 0;
    for (;;) {
        const char *piece = pieces[next_random(&state) % 12];
        size_t length = strlen(piece);
        if (at + length > BYTES)
            break;
        memcpy(text + at, piece, length);
        at += length;
    }
}

static enum state start_of(char c)
{
    switch (c) {
    case ' ': case '\t': case '\n': case ',': case ':': case '[': case ']': case '{': case '}':
        return BETWEEN;
    case '"':
        return IN_STRING;
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return IN_INTEGER;
    default:
        return c >= 'a' && c <= 'z' ? IN_WORD : BROKEN;
    }
}

static enum state step(enum state state, char c)
{
    switch (state) {
    case BETWEEN:
        return start_of(c);
    case IN_STRING:
        return c == '"' ? BETWEEN : c == '\\' ? ESCAPED : IN_STRING;
    case ESCAPED:
        return IN_STRING;
    case IN_INTEGER:
        if (c == '.')
            return IN_FRACTION;
        /* fall through */
    case IN_FRACTION:
        if (c == 'e' || c == 'E')
            return IN_EXPONENT;
        return c >= '0' && c <= '9' ? state : start_of(c);
    case IN_EXPONENT:
        return (c >= '0' && c <= '9') || c == '-' ? IN_EXPONENT : start_of(c);
    case IN_WORD:
        return c >= 'a' && c <= 'z' ? IN_WORD : start_of(c);
    default:
        return c == '\n' || c == ' ' ? BETWEEN : BROKEN;
    }
}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++) {
        uint32_t entered[8] = {0};
        enum state state = BETWEEN;
        text[r % BYTES] ^= 1;
        for (const char *c = text; *c; c++) {
            enum state next = step(state, *c);
            if (next != state)
                entered[next]++;
            state = next;
        }
        for (int i = 0; i < 8; i++)
            sum = mix(sum, entered[i]);
    }
    return sum;
}
