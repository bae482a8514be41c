/* Maps 1 MiB of fresh memory, touches each page, unmaps it: a page fault and a cleared page each time. */
#include "kernel.h"

#include <sys/mman.h>

enum { BYTES = 1 << 20, PAGE = 4096 };

void prepare(void) {}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++) {
        uint8_t *memory = mmap(0, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            fail("mmap");
        /* Small pages, whatever the system is set to. */
        madvise(memory, BYTES, MADV_NOHUGEPAGE);
        for (size_t at = 0; at < BYTES; at += PAGE)
            memory[at] += (uint8_t)(r + at / PAGE);
        sum = mix(sum, memory[(r * PAGE) % BYTES] + memory[BYTES - 1]);
        if (munmap(memory, BYTES) != 0)
            fail("munmap");
    }
    return sum;
}
