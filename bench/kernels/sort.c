/* Quicksort, merge sort and heap sort of 32-bit numbers: unpredictable branches, loads and stores in all orders. */
#include "kernel.h"

#include <string.h>

enum { COUNT = 1 << 14 };
static uint32_t master[COUNT], numbers[COUNT], spare[COUNT];

void prepare(void)
{
    uint64_t state = 1;
    for (int i = 0; i < COUNT; i++)
        master[i] = (uint32_t)next_random(&state);
}

static void insertion_sort(uint32_t *a, int low, int high)
{
    for (int i = low + 1; i <= high; i++) {
        uint32_t value = a[i];
        int j = i - 1;
        for (; j >= low && a[j] > value; j--)
            a[j + 1] = a[j];
        a[j + 1] = value;
    }
}

static void quicksort(uint32_t *a, int low, int high)
{
    while (high - low > 12) {
        uint32_t pivot = a[low + (high - low) / 2];
        int i = low - 1, j = high + 1;
        for (;;) {
            do i++; while (a[i] < pivot);
            do j--; while (a[j] > pivot);
            if (i >= j)
                break;
            uint32_t t = a[i];
            a[i] = a[j];
            a[j] = t;
        }
        quicksort(a, low, j);
        low = j + 1;
    }
    insertion_sort(a, low, high);
}

static void merge_sort(uint32_t *a, uint32_t *b, int count)
{
    for (int width = 1; width < count; width *= 2) {
        for (int start = 0; start < count; start += 2 * width) {
            int middle = start + width, end = start + 2 * width;
            int i = start, j = middle;
            for (int k = start; k < end; k++)
                b[k] = j >= end || (i < middle && a[i] <= a[j]) ? a[i++] : a[j++];
        }
        memcpy(a, b, (size_t)count * sizeof *a);
    }
}

static void sift_down(uint32_t *a, int root, int count)
{
    uint32_t value = a[root];
    for (int child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && a[child + 1] > a[child])
            child++;
        if (a[child] <= value)
            break;
        a[root] = a[child];
    }
    a[root] = value;
}

static void heap_sort(uint32_t *a, int count)
{
    for (int i = count / 2 - 1; i >= 0; i--)
        sift_down(a, i, count);
    for (int end = count - 1; end > 0; end--) {
        uint32_t top = a[0];
        a[0] = a[end];
        a[end] = top;
        sift_down(a, 0, end);
    }
}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++) {
        for (int way = 0; way < 3; way++) {
            for (int i = 0; i < COUNT; i++)
                numbers[i] = master[i] * (uint32_t)(2 * r + 1);
            if (way == 0)
                quicksort(numbers, 0, COUNT - 1);
            else if (way == 1)
                merge_sort(numbers, spare, COUNT);
            else
                heap_sort(numbers, COUNT);
            for (int i = 0; i < COUNT; i += 257)
                sum = mix(sum, numbers[i]);
        }
    }
    return sum;
}
