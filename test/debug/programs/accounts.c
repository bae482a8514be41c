/* A process of Linux with a bug: a name that is too long runs over into the balance behind it. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct account {
  char name[8];
  long balance;
};

struct account accounts[2] = {{"alice", 100}, {"bob", 200}};

__attribute__((noinline)) void transfer(int from, int to, long amount) {
  accounts[from].balance -= amount;
  accounts[to].balance += amount;
}

__attribute__((noinline)) void rename_account(int which, const char *name) {
  char *to = accounts[which].name;
  while ((*to++ = *name++)) {
  }
}

__attribute__((noinline)) void report(const char *who) {
  printf("%s: %ld and %ld\n", who, accounts[0].balance, accounts[1].balance);
}

int main(void) {
  /* Another process with the same addresses. */
  pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 50; i++) transfer(1, 0, 1);
    report("child");
    return 0;
  }
  waitpid(child, 0, 0);
  transfer(0, 1, 30);
  rename_account(0, "alexandra");
  transfer(1, 0, 5);
  report("parent");
  return 0;
}
