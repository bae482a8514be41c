/*
 * godwit's agent in a guest: runs commands, copies files and sets the clock, as the host says over a virtio port. One
 * static program without a library; README.md says how to build it and how to put it into a guest.
 *
 * One loop moves bytes between the port and the pipes of its children, and never waits for anything but in `ppoll`.
 * Commands, and what reads and writes files, are children. The agent itself stays in memory and goes before all others,
 * so that the clock is right at once.
 */
#include "command.h"
#include "files.h"
#include "protocol.h"
#include "system.h"

/* So says it that it found no port: whoever starts it again and again may stop. */
enum { NO_PORT = 78, PORT_TRIES = 12, PORT_PAUSE_MS = 250, PRIORITY = 50, READS_AT_ONCE = 4 };
enum { INPUT_STREAM = 0, OUTPUT_STREAM = 1, ERROR_STREAM = 2 };

struct request {
  u32 number;
  int used, started, exited, status, is_put, terminal, input_ended, input_broken;
  int pid;
  int fd[3];      /* the agent's ends: to standard input, from standard output and standard error */
  u32 credit[3];  /* what may be sent to the host; of the input, what the host was not told yet that it may send */
  u32 head, length;
  u8 ring[WINDOW]; /* first the texts for START, then input */
};

static struct request requests[REQUESTS];
static int port = -1;
static u32 session;
static u8 incoming[2 * TO_AGENT_BYTES] __attribute__((aligned(8)));
static u32 incoming_length;
static u8 outgoing[FROM_AGENT_BYTES] __attribute__((aligned(8)));
#define PAYLOAD (outgoing + HEADER_BYTES)

static u32 word_at(const u8 *bytes) {
  return (u32)bytes[0] | (u32)bytes[1] << 8 | (u32)bytes[2] << 16 | (u32)bytes[3] << 24;
}

static u32 half_at(const u8 *bytes) {
  return (u32)bytes[0] | (u32)bytes[1] << 8;
}

static void put_word(u8 *bytes, u32 word) {
  for (int i = 0; i < 4; i++) bytes[i] = (u8)(word >> 8 * i);
}

/* Sends what is in PAYLOAD. The device takes it at once. */
static void send(u32 type, u32 request, u32 length) {
  put_word(outgoing, MAGIC);
  put_word(outgoing + 4, session);
  put_word(outgoing + 8, request);
  put_word(outgoing + 12, type | length << 16);
  put_word(PAYLOAD + length, (u32)MAGIC ^ session ^ request ^ (type | length << 16) ^ (u32)CHECK);
  u32 end = HEADER_BYTES + length + CHECK_BYTES;
  for (u32 done = 0; done < end;) {
    i64 count = CALL3(SYS_write, port, outgoing + done, end - done);
    if (count > 0) done += (u32)count;
    else if (count == -EAGAIN) {
      struct pollfd wanted = {port, POLLOUT, 0};
      CALL4(SYS_ppoll, &wanted, 1, NULL, NULL);
      if (wanted.revents & POLLHUP) pause_ms(100);
    } else if (count != -EINTR) leave(1);
  }
}

static void send_hello(void) {
  put_word(PAYLOAD, VERSION);
  put_word(PAYLOAD + 4, REQUESTS);
  send(HELLO, 0, 8);
}

static void send_credit(struct request *request) {
  u32 bytes = request->credit[INPUT_STREAM];
  request->credit[INPUT_STREAM] = 0;
  put_word(PAYLOAD, INPUT_STREAM);
  put_word(PAYLOAD + 4, bytes);
  send(CREDIT, request->number, 8);
}

static void send_exit(struct request *request) {
  u32 signal = (u32)request->status & 0x7f;
  PAYLOAD[0] = signal != 0;
  PAYLOAD[1] = (u8)(signal != 0 ? signal : (u32)request->status >> 8);
  send(EXIT, request->number, 2);
}

static struct request *find(u32 number) {
  for (u32 i = 0; i < REQUESTS; i++)
    if (requests[i].used && requests[i].number == number) return &requests[i];
  return NULL;
}

/* It, and what it started; it alone where it has no group of its own yet. */
static void kill_all(const struct request *request, int signal) {
  if (!request->started || request->exited) return;
  if (CALL2(SYS_kill, -request->pid, signal) < 0) CALL2(SYS_kill, request->pid, signal);
}

static void close_all(struct request *request) {
  if (request->fd[INPUT_STREAM] == request->fd[OUTPUT_STREAM]) request->fd[INPUT_STREAM] = -1;
  for (int i = 0; i < 3; i++) close_file(&request->fd[i]);
}

/* Nobody waits for it: it and what it started is killed. Who writes a file ends by itself, and takes away its part. */
static void cancel(struct request *request) {
  if (!request->is_put) kill_all(request, SIGKILL);
  close_all(request);
  request->length = 0;
}

static struct request *new_request(u32 number) {
  for (u32 i = 0; i < REQUESTS; i++) {
    struct request *request = &requests[i];
    if (request->used) continue;
    request->number = number;
    request->used = 1;
    request->started = request->exited = request->status = request->is_put = request->terminal = 0;
    request->input_ended = request->input_broken = 0;
    request->pid = 0;
    for (int stream = 0; stream < 3; stream++) request->fd[stream] = -1;
    request->credit[INPUT_STREAM] = 0;
    request->credit[OUTPUT_STREAM] = request->credit[ERROR_STREAM] = WINDOW;
    request->head = request->length = 0;
    return request;
  }
  return NULL;
}

static void push(struct request *request, const u8 *bytes, u32 length) {
  if (length > WINDOW - request->length) length = WINDOW - request->length; /* more than it has credit for */
  u32 tail = (request->head + request->length) % WINDOW;
  u32 first = length < WINDOW - tail ? length : WINDOW - tail;
  memcpy(request->ring + tail, bytes, first);
  memcpy(request->ring, bytes + first, length - first);
  request->length += length;
}

struct start {
  u8 kind, flags;
  u16 rows, columns, arguments, variables;
};

/* The texts for START: each pointer into the ring, where they stand from its beginning. */
static int split_texts(struct request *request, const struct start *start, char **texts, u32 limit) {
  u32 wanted = 2u + start->arguments + start->variables, at = 0;
  if (wanted > limit || start->variables > VARIABLES) return 0;
  for (u32 i = 0; i < wanted; i++) {
    texts[i] = (char *)request->ring + at;
    while (at < request->length && request->ring[at] != 0) at++;
    if (at == request->length) return 0;
    at++;
  }
  return at == request->length;
}

/* Also those that a shell which started the agent in the background had ignored. */
static void signals_as_usual(void) {
  struct signal_action usual = {NULL, 0, 0};
  u64 none = 0;
  for (int signal = 1; signal <= SIGNALS; signal++) CALL4(SYS_rt_sigaction, signal, &usual, NULL, 8);
  CALL4(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
}

static __attribute__((noreturn)) void child(struct request *request, const struct start *start, char **texts,
                                            const int *fds) {
  static char path_variable[256], home[1100], user_name[300], login[300], shell[1100];
  static char *arguments[4096];
  int priority = 0;
  CALL3(SYS_sched_setscheduler, 0, SCHED_OTHER, &priority);
  CALL0(SYS_setsid);
  for (int i = 0; i < 3; i++) CALL3(SYS_dup3, fds[i], i, 0);
  if (request->terminal) CALL3(SYS_ioctl, 0, TIOCSCTTY, 0);
  signals_as_usual();
  CALL1(SYS_umask, 022);
  /* They execute no other program, which would close what is the agent's. */
  if (start->kind != EXECUTE) close_from(3);
  if (start->kind == GET) get(texts[2]);
  if (start->kind == PUT) put(texts[2], texts[3]);
  for (u32 i = 0; i < start->arguments; i++) arguments[i] = texts[2 + i];
  for (u32 i = 0; i < start->variables; i++) variables[variable_count++] = texts[2 + start->arguments + i];
  struct identity user;
  become(texts[1], &user);
  add_variable("PATH", DEFAULT_PATH, path_variable, sizeof path_variable);
  add_variable("HOME", user.home, home, sizeof home);
  add_variable("USER", user.name, user_name, sizeof user_name);
  add_variable("LOGNAME", user.name, login, sizeof login);
  add_variable("SHELL", user.shell, shell, sizeof shell);
  enter_folder(texts[0], &user);
  execute(arguments);
}

/* The child's ends go to `fds`. */
static i64 make_pipes(struct request *request, int *fds) {
  for (int stream = 0; stream < 3; stream++) {
    int ends[2];
    i64 made = CALL2(SYS_pipe2, ends, O_CLOEXEC);
    if (made < 0) return made;
    fds[stream] = ends[stream == INPUT_STREAM ? 0 : 1];
    request->fd[stream] = ends[stream == INPUT_STREAM ? 1 : 0];
    CALL3(SYS_fcntl, request->fd[stream], F_SETFL, O_NONBLOCK);
  }
  return 0;
}

static i64 make_terminal(struct request *request, const struct start *start, int *fds) {
  struct window_size size = {start->rows, start->columns, 0, 0};
  int unlocked = 0;
  i64 master = open_file("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
  if (master < 0) return master;
  request->fd[INPUT_STREAM] = request->fd[OUTPUT_STREAM] = (int)master;
  CALL3(SYS_ioctl, master, TIOCSPTLCK, &unlocked);
  CALL3(SYS_ioctl, master, TIOCSWINSZ, &size);
  i64 slave = CALL3(SYS_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return slave;
  for (int i = 0; i < 3; i++) fds[i] = (int)slave;
  return 0;
}

static void close_ends(int *fds) {
  if (fds[1] == fds[0]) fds[1] = -1;
  if (fds[2] == fds[0]) fds[2] = -1;
  for (int i = 0; i < 3; i++) close_file(&fds[i]);
}

/* It could not be started: the word for it goes where the command would have put it. */
static void refuse(struct request *request, const char *why) {
  u32 length = (u32)text_length(why);
  memcpy(PAYLOAD, why, length);
  send(ERRORS, request->number, length);
  request->status = CANNOT_EXECUTE << 8;
  request->exited = 1;
  close_all(request);
}

static void begin(struct request *request, const u8 *payload, u32 length) {
  static char *texts[4096];
  struct start start;
  int fds[3] = {-1, -1, -1};
  if (length != sizeof start || request->started) return;
  memcpy(&start, payload, sizeof start);
  request->started = 1;
  u32 least = start.kind == PUT ? 2 : 1;
  if (!split_texts(request, &start, texts, COUNT(texts)) || start.arguments < least || start.kind > GET) {
    refuse(request, "godwit: the agent does not understand what to start\n");
    return;
  }
  request->is_put = start.kind == PUT;
  request->terminal = (start.flags & WITH_TERMINAL) != 0;
  i64 pid = request->terminal ? make_terminal(request, &start, fds) : make_pipes(request, fds);
  if (pid >= 0) pid = CALL5(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) child(request, &start, texts, fds);
  close_ends(fds);
  request->length = 0;
  if (pid < 0) {
    refuse(request, request->terminal ? "godwit: the guest gives no terminal or process\n"
                                      : "godwit: the guest gives no process\n");
    return;
  }
  request->pid = (int)pid;
}

static void set_clock(const u8 *payload, u32 length) {
  u64 nanoseconds;
  if (length != sizeof nanoseconds) return;
  memcpy(&nanoseconds, payload, sizeof nanoseconds);
  struct timespec time = {(i64)(nanoseconds / 1000000000), (i64)(nanoseconds % 1000000000)};
  CALL2(SYS_clock_settime, CLOCK_REALTIME, &time);
}

static void begin_session(u32 number) {
  for (u32 i = 0; i < REQUESTS; i++) {
    if (!requests[i].used) continue;
    cancel(&requests[i]);
    requests[i].used = 0;
  }
  session = number;
  send_hello();
}

static void resize(struct request *request, const u8 *payload) {
  struct window_size size = {(u16)half_at(payload), (u16)half_at(payload + 2), 0, 0};
  int fd = request->fd[INPUT_STREAM];
  if (request->terminal && fd >= 0) CALL3(SYS_ioctl, fd, TIOCSWINSZ, &size);
}

static void receive_for(struct request *request, u32 type, const u8 *payload, u32 length) {
  switch (type) {
    case ARGUMENTS:
      if (!request->started) push(request, payload, length);
      break;
    case START:
      begin(request, payload, length);
      break;
    case INPUT:
      if (!request->started || request->input_ended) break;
      if (request->input_broken || request->fd[INPUT_STREAM] < 0) request->credit[INPUT_STREAM] += length;
      else push(request, payload, length);
      break;
    case INPUT_END:
      request->input_ended = 1;
      break;
    case CREDIT:
      if (length == 8 && (payload[0] == OUTPUT_STREAM || payload[0] == ERROR_STREAM))
        request->credit[payload[0]] += word_at(payload + 4);
      break;
    case SIGNAL:
      if (length == 1) kill_all(request, payload[0]);
      break;
    case RESIZE:
      if (length == 4) resize(request, payload);
      break;
    case CANCEL:
      cancel(request);
      if (!request->started) request->used = 0;
      break;
  }
}

static void receive(u32 of_session, u32 number, u32 type, const u8 *payload, u32 length) {
  if (type == HELLO) {
    begin_session(of_session);
    return;
  }
  if (of_session != session) return;
  if (type == CLOCK) {
    set_clock(payload, length);
    return;
  }
  struct request *request = find(number);
  if (request == NULL && (type == ARGUMENTS || type == START)) request = new_request(number);
  if (request != NULL) receive_for(request, type, payload, length);
}

/* How many bytes of these are done with; 0: more must come. */
static u32 take_frame(const u8 *bytes, u32 count) {
  if (count < HEADER_BYTES) return 0;
  u32 length = half_at(bytes + 14);
  u32 whole = HEADER_BYTES + length + CHECK_BYTES;
  if (whole > TO_AGENT_BYTES) return 1;
  if (count < whole) return 0;
  u32 sum = CHECK;
  for (u32 at = 0; at < HEADER_BYTES; at += 4) sum ^= word_at(bytes + at);
  if (sum != word_at(bytes + HEADER_BYTES + length)) return 1;
  receive(word_at(bytes + 4), word_at(bytes + 8), half_at(bytes + 12), bytes + HEADER_BYTES, length);
  return whole;
}

static void take_frames(void) {
  u32 at = 0;
  for (u32 done = 1; done > 0; at += done) {
    /* Looks for the next frame where it has lost its place. */
    while (at + 4 <= incoming_length && word_at(incoming + at) != MAGIC) at++;
    done = take_frame(incoming + at, incoming_length - at);
  }
  incoming_length -= at;
  /* By words from the front: they do not lie over one another. */
  if (at >= 8) memcpy(incoming, incoming + at, incoming_length);
  else for (u32 i = 0; i < incoming_length; i++) incoming[i] = incoming[at + i];
}

static void read_port(void) {
  i64 count = CALL3(SYS_read, port, incoming + incoming_length, sizeof incoming - incoming_length);
  if (count == -EAGAIN || count == -EINTR) return;
  if (count < 0) leave(1);
  if (count == 0) pause_ms(100); /* the host has closed it */
  incoming_length += (u32)count;
  take_frames();
}

static void write_input(struct request *request) {
  int *fd = &request->fd[INPUT_STREAM];
  while (request->length > 0 && *fd >= 0) {
    u32 part = request->length < WINDOW - request->head ? request->length : WINDOW - request->head;
    i64 count = CALL3(SYS_write, *fd, request->ring + request->head, part);
    if (count == -EAGAIN || count == -EINTR) break;
    if (count < 0) request->input_broken = 1; /* it reads no more */
    u32 done = count < 0 ? request->length : (u32)count;
    request->head = (request->head + done) % WINDOW;
    request->length -= done;
    request->credit[INPUT_STREAM] += done;
  }
  if (request->length == 0 && request->input_ended && *fd >= 0) {
    if (!request->terminal) close_file(fd);
    else if (!request->input_broken) {
      request->input_broken = 1;
      CALL3(SYS_write, *fd, "\x04", 1);
    }
  }
  u32 untold = request->credit[INPUT_STREAM];
  if (untold > WINDOW / 4 || (untold > 0 && request->length == 0)) send_credit(request);
}

static void read_output(struct request *request, int stream) {
  static const u32 MOST = FROM_AGENT_BYTES - HEADER_BYTES - CHECK_BYTES;
  int *fd = &request->fd[stream];
  for (int reads = 0; reads < READS_AT_ONCE && *fd >= 0 && request->credit[stream] > 0; reads++) {
    u32 most = request->credit[stream] < MOST ? request->credit[stream] : MOST;
    i64 count = CALL3(SYS_read, *fd, PAYLOAD, most);
    if (count == -EINTR) continue;
    if (count == -EAGAIN && !request->exited) return;
    if (count <= 0) {
      /* The end; or it has exited, and what others still might write there is not waited for. */
      if (request->terminal) request->fd[INPUT_STREAM] = -1;
      close_file(fd);
      return;
    }
    request->credit[stream] -= (u32)count;
    send(stream == OUTPUT_STREAM ? OUTPUT : ERRORS, request->number, (u32)count);
  }
}

static void pump(struct request *request) {
  if (!request->started) return;
  write_input(request);
  read_output(request, OUTPUT_STREAM);
  read_output(request, ERROR_STREAM);
  if (!request->exited || request->fd[OUTPUT_STREAM] >= 0 || request->fd[ERROR_STREAM] >= 0) return;
  close_all(request);
  send_exit(request);
  request->used = 0;
}

static void reap(void) {
  int status;
  for (i64 pid; (pid = CALL4(SYS_wait4, -1, &status, WNOHANG, NULL)) > 0;)
    for (u32 i = 0; i < REQUESTS; i++)
      if (requests[i].used && requests[i].started && !requests[i].exited && requests[i].pid == (int)pid) {
        requests[i].status = status;
        requests[i].exited = 1;
      }
}

static u32 watch(struct pollfd *watched, struct request *request) {
  u32 count = 0;
  if (request->fd[INPUT_STREAM] >= 0 && request->length > 0)
    watched[count++] = (struct pollfd){request->fd[INPUT_STREAM], POLLOUT, 0};
  for (int stream = OUTPUT_STREAM; stream <= ERROR_STREAM; stream++)
    if (request->fd[stream] >= 0 && request->credit[stream] > 0)
      watched[count++] = (struct pollfd){request->fd[stream], POLLIN, 0};
  return count;
}

static void serve(void) {
  static struct pollfd watched[1 + 3 * REQUESTS];
  static const struct timespec at_once = {0, 0};
  const u64 no_signals = 0;
  for (;;) {
    u32 count = 1;
    int due = 0;
    watched[0] = (struct pollfd){port, POLLIN, 0};
    for (u32 i = 0; i < REQUESTS; i++) {
      if (!requests[i].used) continue;
      count += watch(watched + count, &requests[i]);
      due |= requests[i].exited && requests[i].credit[OUTPUT_STREAM] > 0 && requests[i].credit[ERROR_STREAM] > 0;
    }
    CALL5(SYS_ppoll, watched, count, due ? &at_once : NULL, &no_signals, 8);
    reap();
    if (watched[0].revents & POLLIN) read_port();
    else if (watched[0].revents & (POLLHUP | POLLERR)) pause_ms(100);
    for (u32 i = 0; i < REQUESTS; i++)
      if (requests[i].used) pump(&requests[i]);
  }
}

/* /dev/NAME for the port whose name in /sys/class/virtio-ports says that it is ours. */
static int open_port(void) {
  static const char wanted[] = "org.godwit.agent";
  static u8 entries[2048];
  char file[512], name[sizeof wanted + 1];
  int folder = open_file("/sys/class/virtio-ports", O_RDONLY | O_DIRECTORY, 0), found = -ENOENT;
  if (folder < 0) return folder;
  for (i64 count; found == -ENOENT && (count = CALL3(SYS_getdents64, folder, entries, sizeof entries)) > 0;)
    for (i64 at = 0; at < count && found == -ENOENT;) {
      struct directory_entry *entry = (struct directory_entry *)(entries + at);
      at += entry->length;
      if (entry->name[0] == '.' || join(file, sizeof file, "/sys/class/virtio-ports/", entry->name) < 0) continue;
      u64 end = text_length(file);
      if (join(file + end, sizeof file - end, "/name", "") < 0) continue;
      int fd = open_file(file, O_RDONLY, 0);
      i64 length = fd < 0 ? 0 : CALL3(SYS_read, fd, name, sizeof name);
      close_file(&fd);
      if (length < (i64)sizeof wanted - 1) continue;
      name[sizeof wanted - 1] = 0;
      if (text_equal(name, wanted) && join(file, sizeof file, "/dev/", entry->name) == 0)
        found = open_file(file, O_RDWR | O_NONBLOCK, 0);
    }
  close_file(&folder);
  return found;
}

static void wake(int signal) {
  (void)signal;
}

__attribute__((used, noreturn)) void agent(void) {
  struct signal_action woken = {wake, 0, 0}, ignored = {(void (*)(int))1, 0, 0};
  u64 blocked = 1UL << (SIGCHLD - 1);
  signals_as_usual();
  int priority = PRIORITY;
  for (int tries = 0; (port = open_port()) < 0; tries++) {
    if (tries == PORT_TRIES) leave(NO_PORT);
    pause_ms(PORT_PAUSE_MS);
  }
  CALL4(SYS_rt_sigprocmask, SIG_BLOCK, &blocked, NULL, 8);
  CALL4(SYS_rt_sigaction, SIGCHLD, &woken, NULL, 8);
  CALL4(SYS_rt_sigaction, SIGPIPE, &ignored, NULL, 8);
  CALL1(SYS_mlockall, MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
  CALL3(SYS_sched_setscheduler, 0, SCHED_FIFO, &priority);
  send_hello();
  for (;;) serve();
}

__asm__(".section .text.start\n.globl _start\n_start:\n"
        ".option push\n.option norelax\nlla gp, __global_pointer$\n.option pop\n"
        "andi sp, sp, -16\ncall agent\n.text\n");
