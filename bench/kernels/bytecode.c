/* An interpreter of a small stack language, threaded by computed gotos: an indirect jump every few instructions. */
#include "kernel.h"

enum op { PUSH, LOAD, STORE, ADD, SUBTRACT, MULTIPLY, XOR, SHIFT, LESS, JUMP, JUMP_IF, DUPLICATE, STOP };

/* n = argument; a = 1; b = 0; do { t = a * 3 + b; b = a ^ (t >> 5); a = t - n; n = n - 1 } while (0 < n); result a ^ b */
static const int32_t program[] = {
    PUSH, 1, STORE, 1, PUSH, 0, STORE, 2,
    /* 8 */ LOAD, 1, PUSH, 3, MULTIPLY, LOAD, 2, ADD, STORE, 3,
    LOAD, 1, LOAD, 3, PUSH, 5, SHIFT, XOR, STORE, 2,
    LOAD, 3, LOAD, 0, SUBTRACT, STORE, 1,
    LOAD, 0, PUSH, 1, SUBTRACT, DUPLICATE, STORE, 0,
    PUSH, 0, LESS, JUMP_IF, 50, JUMP, 8,
    /* 50 */ LOAD, 1, LOAD, 2, XOR, STOP,
};

void prepare(void) {}

static uint64_t interpret(const int32_t *code, uint64_t argument)
{
    static const void *const labels[] = {&&push, &&load, &&store, &&add, &&subtract, &&multiply, &&xor, &&shift, &&less, &&jump,
        &&jump_if, &&duplicate, &&stop};
    uint64_t variables[4] = {argument}, stack[16], *top = stack;
    const int32_t *pc = code;
#define NEXT goto *labels[*pc++]
    NEXT;
push:      *++top = (uint64_t)*pc++; NEXT;
load:      *++top = variables[*pc++]; NEXT;
store:     variables[*pc++] = *top--; NEXT;
add:       top--; *top += top[1]; NEXT;
subtract:  top--; *top -= top[1]; NEXT;
multiply:  top--; *top *= top[1]; NEXT;
xor:       top--; *top ^= top[1]; NEXT;
shift:     top--; *top >>= top[1] & 63; NEXT;
/* Whether what lies below is at most the top. */
less:      top--; *top = (int64_t)*top <= (int64_t)top[1]; NEXT;
jump:      pc = code + *pc; NEXT;
jump_if:   pc = *top-- ? code + *pc : pc + 1; NEXT;
duplicate: top++; *top = top[-1]; NEXT;
stop:      return *top;
#undef NEXT
}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++)
        sum = mix(sum, interpret(program, 1000 + (r & 15)));
    return sum;
}
