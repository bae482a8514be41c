/* Something of everything a debugger stops at. */
typedef unsigned long u64;
typedef unsigned int u32;

volatile u64 counter;
volatile u64 victim = 0x1111;
double ratio = 1.5;
float half = 0.5f;
u64 lock_word;
char text[32] = "a text to look at";
struct { char pad[4093]; char crossing[16]; } __attribute__((packed, aligned(4096))) span;
u64 table[64];
char block[128] __attribute__((aligned(64)));

__attribute__((noinline)) u64 mix(u64 x) {
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  return x * 0x2545f4914f6cdd1dul;
}

__attribute__((noinline)) void fill(u64 seed) {
  for (int i = 0; i < 64; i++) {
    seed = mix(seed + i);
    table[i] = seed;
  }
}

__attribute__((noinline)) void atomics(void) {
  __atomic_fetch_add(&lock_word, 5, __ATOMIC_SEQ_CST);
  u64 old;
  u32 failed;
  do {
    __asm__ volatile("lr.d %0, (%2)\n addi %0, %0, 1\n sc.d %1, %0, (%2)" : "=&r"(old), "=&r"(failed) : "r"(&lock_word) : "memory");
  } while (failed);
}

__attribute__((noinline)) void floats(void) {
  ratio = ratio * 1.25 + half;
  half = half + 0.25f;
}

/* Its first instruction lies across two pages. */
u64 crossing_code(u64 x);

__attribute__((noinline)) void across(u64 value) {
  u64 read;
  __asm__ volatile("sd %1, 0(%2)\n ld %0, 0(%2)" : "=&r"(read) : "r"(value), "r"(span.crossing) : "memory");
  counter += crossing_code(read) & 0;
}

__attribute__((noinline)) void zero_block(void) { __asm__ volatile("cbo.zero (%0)" ::"r"(block) : "memory"); }

/* Writes one element behind the table, which happens to be elsewhere. */
__attribute__((noinline)) void corrupt(u64 *where, u64 value) { *where = value; }

__attribute__((noinline)) void trapping(void) { __asm__ volatile(".4byte 0xffffffff"); }

__attribute__((noinline)) void timer(void) {
  u64 now;
  __asm__ volatile("rdtime %0" : "=r"(now));
  __asm__ volatile("csrw stimecmp, %0" ::"r"(now + 300));
  __asm__ volatile("csrs sie, %0\n csrsi sstatus, 2" ::"r"(0x20));
}

int main(void) {
  for (u64 round = 0; round < 200; round++) {
    counter++;
    fill(round);
    atomics();
    floats();
    across(round * 0x0101010101010101ul);
    block[5] = 1;
    zero_block();
    if (round % 16 == 3) trapping();
    if (round % 32 == 7) timer();
    if (round == 150) corrupt((u64 *)&victim, table[3]);
    text[0] = 'a' + round % 26;
  }
  return 0;
}
