/*
 * Runs one kernel: NAME COUNT. Prints
 *
 *     @start NAME
 *     @end NAME checksum=<16 hex digits> ns=<monotonic> cpu=<user + system time of it and its children, in ns>
 *
 * The host measures between the two lines, since a guest's own clock may be virtual. The first line is drained to the device
 * before the work begins. "NAME exit" ends at once with status 7, for kernels that start programs.
 */
#include "kernel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t usage_ns(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    uint64_t seconds = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
    uint64_t micros = (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    return seconds * 1000000000u + micros * 1000u;
}

static uint64_t cpu_ns(void)
{
    return usage_ns(RUSAGE_SELF) + usage_ns(RUSAGE_CHILDREN);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "exit") == 0)
        _exit(7);
    uint64_t repetitions = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;
    if (repetitions == 0) {
        fprintf(stderr, "usage: %s COUNT\n", argv[0]);
        return 2;
    }
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash ? slash + 1 : argv[0];
    prepare();
    printf("@start %s\n", name);
    fflush(stdout);
    tcdrain(STDOUT_FILENO);
    uint64_t cpu = cpu_ns();
    uint64_t start = monotonic_ns();
    uint64_t checksum = work(repetitions);
    uint64_t end = monotonic_ns();
    cpu = cpu_ns() - cpu;
    printf("@end %s checksum=%016" PRIx64 " ns=%" PRIu64 " cpu=%" PRIu64 "\n", name, checksum, end - start, cpu);
    return 0;
}
