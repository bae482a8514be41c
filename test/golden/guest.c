/* The guest of the golden files: S-mode under the built-in SBI, with translation, timer interrupts and floating point. It echoes what is
   typed, and `q` ends it with a checksum of its memory. */
typedef unsigned long u64;
#define UART ((volatile unsigned char *)0x10000000)
#define LINE_STATUS 5
#define FINISHER ((volatile unsigned *)0x100000)
#define WORDS 2048
#define GIGAPAGES 4
#define TICKS_BETWEEN 100000

static u64 root[512] __attribute__((aligned(4096)));
static volatile u64 words[WORDS];
static volatile double sum;
static volatile u64 interrupts;

static void later(void) {
  u64 now;
  __asm__ volatile("rdtime %0" : "=r"(now));
  __asm__ volatile("csrw 0x14d, %0" ::"r"(now + TICKS_BETWEEN)); /* stimecmp */
}

__attribute__((interrupt("supervisor"), aligned(4))) void trap(void) {
  interrupts++;
  later();
}

static void print(const char *text) {
  while (*text) *UART = *text++;
}

static void print_hex(u64 value) {
  for (int at = 60; at >= 0; at -= 4) *UART = "0123456789abcdef"[(value >> at) & 15];
}

static u64 bits(double value) {
  union { double d; u64 u; } both = {value};
  return both.u;
}

void main_(void) {
  for (u64 i = 0; i < GIGAPAGES; i++) root[i] = i << 28 | 0xcf;
  __asm__ volatile("csrw satp, %0; sfence.vma" ::"r"(8UL << 60 | (u64)root >> 12) : "memory");
  __asm__ volatile("csrw stvec, %0" ::"r"((u64)trap));
  __asm__ volatile("csrs sstatus, %0" ::"r"(3UL << 13)); /* FS */
  later();
  __asm__ volatile("csrs sie, %0; csrsi sstatus, 2" ::"r"(32UL));
  for (u64 i = 0; i < WORDS; i++) words[i] = i * 0x9e3779b97f4a7c15UL;
  for (int i = 1; i < 100; i++) sum += 1.0 / i;
  print("ready\n");
  for (;;) {
    while (!(UART[LINE_STATUS] & 1)) {
    }
    unsigned char byte = *UART;
    if (byte == 'q') break;
    *UART = byte;
    words[byte] ^= byte;
  }
  u64 all = bits(sum);
  for (u64 i = 0; i < WORDS; i++) all = all * 31 + words[i];
  print("done ");
  print_hex(all);
  print("\n");
  *FINISHER = 0x5555;
  for (;;) {
  }
}
