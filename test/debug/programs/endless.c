/* Never ends. */
volatile unsigned long turns;

__attribute__((noinline)) void spin(void) {
  for (;;) turns++;
}

unsigned long crossing_code(unsigned long x);

int main(void) {
  spin();
  return (int)crossing_code(0);
}
