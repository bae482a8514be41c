/* Lists whose nodes lie scattered: walk, reverse, split, merge. Each load waits for the one before. */
#include "kernel.h"

enum { NODES = 1 << 12 };
struct node {
    struct node *next;
    uint32_t key;
    uint32_t weight;
};
static struct node nodes[NODES], *list;

void prepare(void)
{
    static uint32_t order[NODES];
    uint64_t state = 8;
    for (uint32_t i = 0; i < NODES; i++)
        order[i] = i;
    for (uint32_t i = NODES - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(next_random(&state) % (i + 1)), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (uint32_t i = 0; i < NODES; i++) {
        struct node *node = &nodes[order[i]];
        node->next = i + 1 < NODES ? &nodes[order[i + 1]] : 0;
        node->key = (uint32_t)next_random(&state);
        node->weight = i;
    }
    list = &nodes[order[0]];
}

static struct node *reverse(struct node *node)
{
    struct node *done = 0;
    while (node) {
        struct node *next = node->next;
        node->next = done;
        done = node;
        node = next;
    }
    return done;
}

static struct node *merge(struct node *a, struct node *b)
{
    struct node head, *tail = &head;
    while (a && b) {
        struct node **smaller = a->key <= b->key ? &a : &b;
        tail->next = *smaller;
        tail = *smaller;
        *smaller = tail->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

static struct node *sort(struct node *first, uint32_t count)
{
    if (count < 2)
        return first;
    struct node *last = first;
    for (uint32_t i = 1; i < count / 2; i++)
        last = last->next;
    struct node *rest = last->next;
    last->next = 0;
    return merge(sort(first, count / 2), sort(rest, count - count / 2));
}

uint64_t work(uint64_t repetitions)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < repetitions; r++) {
        uint32_t count = 0;
        uint64_t total = 0;
        for (int walk = 0; walk < 16; walk++) {
            count = 0;
            for (struct node *node = list; node; node = node->next, count++)
                total += node->key ^ node->weight;
            list = reverse(list);
        }
        for (struct node *node = list; node; node = node->next)
            node->key = node->key * 1664525u + 1013904223u;
        list = sort(list, count);
        sum = mix(sum, total + count + list->key);
    }
    return sum;
}
