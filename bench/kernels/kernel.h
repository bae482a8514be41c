/*
 * What a kernel of the suite gives the harness (harness.c), and a few helpers. A kernel is one file with these two functions.
 * Results may depend only on the repetition count: guest, QEMU and host must print the same checksum.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stddef.h>
#include <stdint.h>

/* Builds tables and touches memory; not timed. */
void prepare(void);

/* The timed work. Gives a checksum of everything it computed. */
uint64_t work(uint64_t repetitions);

/* Ends the program with a message: a system call that the kernel relies on failed. */
void fail(const char *what) __attribute__((noreturn));

/* One step of a checksum: multiply and fold (constants of splitmix64). */
static inline uint64_t mix(uint64_t sum, uint64_t value)
{
    sum = (sum ^ value) * 0xbf58476d1ce4e5b9u;
    return sum ^ (sum >> 29);
}

/* splitmix64: the same numbers on every machine. */
static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#endif
