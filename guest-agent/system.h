/* Linux on riscv64 without a C library: system calls, and the few functions that a compiler expects. */
#ifndef SYSTEM_H
#define SYSTEM_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

#define NULL ((void *)0)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
  SYS_ioctl = 29, SYS_mkdirat = 34, SYS_unlinkat = 35, SYS_symlinkat = 36, SYS_chdir = 49,
  SYS_fchmod = 52, SYS_fchmodat = 53, SYS_openat = 56, SYS_close = 57, SYS_pipe2 = 59, SYS_getdents64 = 61,
  SYS_read = 63, SYS_write = 64, SYS_ppoll = 73, SYS_readlinkat = 78, SYS_newfstatat = 79, SYS_fstat = 80,
  SYS_utimensat = 88, SYS_exit = 93, SYS_nanosleep = 101, SYS_clock_settime = 112, SYS_sched_setscheduler = 119,
  SYS_kill = 129, SYS_rt_sigaction = 134, SYS_rt_sigprocmask = 135, SYS_setgid = 144, SYS_setuid = 146,
  SYS_setsid = 157, SYS_setgroups = 159, SYS_umask = 166, SYS_getpid = 172, SYS_clone = 220, SYS_execve = 221,
  SYS_close_range = 436, SYS_mlockall = 230, SYS_wait4 = 260, SYS_renameat2 = 276, SYS_dup3 = 24, SYS_fcntl = 25,
};

enum {
  ENOENT = 2, EINTR = 4, EIO = 5, EAGAIN = 11, EACCES = 13, EEXIST = 17, ENOTDIR = 20, EISDIR = 21, EINVAL = 22,
  ENAMETOOLONG = 36, EPROTO = 71,
};

enum {
  AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, AT_REMOVEDIR = 0x200,
  O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_EXCL = 0200, O_NOCTTY = 0400, O_NONBLOCK = 04000,
  O_DIRECTORY = 0200000, O_NOFOLLOW = 0400000, O_CLOEXEC = 02000000,
  F_SETFL = 4,
  S_IFMT = 0170000, S_IFDIR = 0040000, S_IFREG = 0100000, S_IFLNK = 0120000,
  POLLIN = 1, POLLOUT = 4, POLLERR = 8, POLLHUP = 16,
  SIGHUP = 1, SIGKILL = 9, SIGPIPE = 13, SIGCHLD = 17, SIGNALS = 64,
  SIG_BLOCK = 0, SIG_SETMASK = 2, WNOHANG = 1,
  TIOCSCTTY = 0x540e, TIOCSWINSZ = 0x5414, TIOCSPTLCK = 0x40045431, TIOCGPTPEER = 0x5441,
  MCL_CURRENT = 1, MCL_FUTURE = 2, MCL_ONFAULT = 4,
  SCHED_OTHER = 0, SCHED_FIFO = 1, CLOCK_REALTIME = 0,
};

struct timespec { i64 seconds, nanoseconds; };
struct pollfd { int fd; short events, revents; };
struct signal_action { void (*handler)(int); u64 flags, mask; };
struct window_size { u16 rows, columns, x, y; };
struct file_status {
  u64 device, inode;
  u32 mode, links, uid, gid;
  u64 rdevice, pad1;
  i64 size;
  int block_size, pad2;
  i64 blocks;
  struct timespec accessed, modified, changed;
  u32 unused[2];
};
struct directory_entry { u64 inode; i64 offset; u16 length; u8 type; char name[]; };

static i64 call6(i64 number, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f) {
  register i64 a7 __asm__("a7") = number;
  register i64 a0 __asm__("a0") = a;
  register i64 a1 __asm__("a1") = b;
  register i64 a2 __asm__("a2") = c;
  register i64 a3 __asm__("a3") = d;
  register i64 a4 __asm__("a4") = e;
  register i64 a5 __asm__("a5") = f;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}
#define CALL0(n) call6(n, 0, 0, 0, 0, 0, 0)
#define CALL1(n, a) call6(n, (i64)(a), 0, 0, 0, 0, 0)
#define CALL2(n, a, b) call6(n, (i64)(a), (i64)(b), 0, 0, 0, 0)
#define CALL3(n, a, b, c) call6(n, (i64)(a), (i64)(b), (i64)(c), 0, 0, 0)
#define CALL4(n, a, b, c, d) call6(n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), 0, 0)
#define CALL5(n, a, b, c, d, e) call6(n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), (i64)(e), 0)

static int open_file(const char *path, int flags, u32 mode) {
  return (int)CALL4(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

static void close_file(int *fd) {
  if (*fd >= 0) CALL1(SYS_close, *fd);
  *fd = -1;
}

static void close_from(int first) {
  if (CALL3(SYS_close_range, first, ~0u, 0) == 0) return;
  for (int fd = first; fd < 1024; fd++) CALL1(SYS_close, fd);
}

static void pause_ms(u32 ms) {
  struct timespec time = {ms / 1000, (i64)(ms % 1000) * 1000000};
  CALL2(SYS_nanosleep, &time, NULL);
}

static __attribute__((noreturn)) void leave(int status) {
  for (;;) CALL1(SYS_exit, status);
}

void *memcpy(void *to, const void *from, u64 length) {
  u8 *t = to;
  const u8 *f = from;
  if ((((u64)t ^ (u64)f) & 7) == 0) {
    for (; length > 0 && ((u64)t & 7) != 0; length--) *t++ = *f++;
    for (; length >= 8; length -= 8, t += 8, f += 8) *(u64 *)t = *(const u64 *)f;
  }
  if ((((u64)t | (u64)f) & 3) == 0)
    for (; length >= 4; length -= 4, t += 4, f += 4) *(u32 *)t = *(const u32 *)f;
  for (; length > 0; length--) *t++ = *f++;
  return to;
}

void *memset(void *to, int value, u64 length) {
  u8 *t = to;
  while (length-- > 0) *t++ = (u8)value;
  return to;
}

static u64 text_length(const char *text) {
  u64 length = 0;
  while (text[length] != 0) length++;
  return length;
}

static int text_equal(const char *a, const char *b) {
  for (; *a == *b; a++, b++)
    if (*a == 0) return 1;
  return 0;
}

static int begins_with(const char *text, const char *beginning) {
  for (; *beginning != 0; text++, beginning++)
    if (*text != *beginning) return 0;
  return 1;
}

/* Joins two texts; what is too long for `to` is an error. */
static int join(char *to, u64 size, const char *a, const char *b) {
  u64 first = text_length(a), second = text_length(b);
  if (first + second + 1 > size) return -ENAMETOOLONG;
  memcpy(to, a, first);
  memcpy(to + first, b, second + 1);
  return 0;
}

/* In decimal; gives the end. */
static char *number_text(char *to, u64 number) {
  char digits[24];
  int count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  while (count > 0) *to++ = digits[--count];
  *to = 0;
  return to;
}

/* All of it, or an error. For descriptors that block. */
static i64 write_all(int fd, const void *bytes, u64 length) {
  for (u64 done = 0; done < length;) {
    i64 count = CALL3(SYS_write, fd, (const u8 *)bytes + done, length - done);
    if (count == -EINTR) continue;
    if (count < 0) return count;
    done += (u64)count;
  }
  return 0;
}

/* All of it, or an error: the end before that is one. */
static i64 read_all(int fd, void *bytes, u64 length) {
  for (u64 done = 0; done < length;) {
    i64 count = CALL3(SYS_read, fd, (u8 *)bytes + done, length - done);
    if (count == -EINTR) continue;
    if (count <= 0) return count < 0 ? count : -EPROTO;
    done += (u64)count;
  }
  return 0;
}

static void say(const char *a, const char *b, const char *c) {
  write_all(2, a, text_length(a));
  write_all(2, b, text_length(b));
  write_all(2, c, text_length(c));
  write_all(2, "\n", 1);
}

#endif
