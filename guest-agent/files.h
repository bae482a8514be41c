/* PUT and GET: children of the agent that write and read files. */
#ifndef FILES_H
#define FILES_H

#include "protocol.h"
#include "system.h"

static u8 piece[32768];
static char path[2 * NAME_MAX_BYTES];
static char draft[2 * NAME_MAX_BYTES];
static int has_draft;

static __attribute__((noreturn)) void fail(i64 error, const char *where) {
  char number[24];
  if (has_draft) CALL3(SYS_unlinkat, AT_FDCWD, draft, 0);
  number_text(number, (u64)-error);
  say(number, " ", where);
  leave(1);
}

static i64 check(i64 result, const char *where) {
  if (result < 0) fail(result, where);
  return result;
}

/* A new name beside `path`, so that what appears there is whole. */
static void name_draft(void) {
  static u32 count;
  u64 end = text_length(path);
  char name[64] = ".godwit-";
  char *at = number_text(name + 8, (u64)CALL0(SYS_getpid));
  *at++ = '-';
  number_text(at, count++);
  while (end > 0 && path[end - 1] != '/') end--;
  memcpy(draft, path, end);
  check(join(draft + end, sizeof draft - end, name, ""), path);
}

static void move_draft(void) {
  check(CALL5(SYS_renameat2, AT_FDCWD, draft, AT_FDCWD, path, 0), path);
  has_draft = 0;
}

static void set_time(const char *name, i64 seconds) {
  struct timespec times[2] = {{seconds, 0}, {seconds, 0}};
  CALL4(SYS_utimensat, AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW);
}

static void take(void *bytes, u64 length) {
  check(read_all(0, bytes, length), path);
}

static void put_file(const struct entry *entry) {
  name_draft();
  int fd = (int)check(open_file(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600), path);
  has_draft = 1;
  for (;;) {
    u32 length;
    take(&length, sizeof length);
    if (length == 0) break;
    if (length > sizeof piece) fail(-EPROTO, path);
    take(piece, length);
    check(write_all(fd, piece, length), path);
  }
  check(CALL2(SYS_fchmod, fd, entry->mode & 07777), path);
  check(CALL1(SYS_close, fd), path);
  set_time(draft, entry->seconds);
  move_draft();
}

static void put_link(const struct entry *entry) {
  if (entry->size >= NAME_MAX_BYTES) fail(-ENAMETOOLONG, path);
  take(piece, entry->size);
  piece[entry->size] = 0;
  name_draft();
  check(CALL3(SYS_symlinkat, piece, AT_FDCWD, draft), path);
  has_draft = 1;
  set_time(draft, entry->seconds);
  move_draft();
}

static void put_folder(const struct entry *entry) {
  struct file_status status;
  i64 made = CALL3(SYS_mkdirat, AT_FDCWD, path, (entry->mode & 07777) | 0700);
  if (made == -EEXIST && CALL4(SYS_newfstatat, AT_FDCWD, path, &status, 0) == 0 && (status.mode & S_IFMT) == S_IFDIR)
    return;
  check(made, path);
}

/* Whether `where` is a folder. An error that is not "it does not exist" ends the program. */
static int is_folder(const char *where) {
  struct file_status status;
  i64 found = CALL4(SYS_newfstatat, AT_FDCWD, where, &status, 0);
  if (found < 0 && found != -ENOENT) fail(found, where);
  return found == 0 && (status.mode & S_IFMT) == S_IFDIR;
}

/* Into the folder `target` under the name `name`, or as `target`, if that is no folder. */
static __attribute__((noreturn)) void put(const char *target, const char *name) {
  static char base[NAME_MAX_BYTES], relative[NAME_MAX_BYTES];
  u64 length = text_length(target);
  int slash = length > 0 && target[length - 1] == '/';
  int within = is_folder(target);
  if (slash && !within) fail(-ENOTDIR, target);
  check(join(base, sizeof base, target, within && !slash ? "/" : ""), target);
  if (within) {
    length = text_length(base);
    check(join(base + length, sizeof base - length, name, ""), target);
  }
  for (;;) {
    struct entry entry;
    check(join(path, sizeof path, base, ""), base);
    take(&entry, ENTRY_BYTES);
    if (entry.name_length >= NAME_MAX_BYTES) fail(-ENAMETOOLONG, base);
    take(relative, entry.name_length);
    relative[entry.name_length] = 0;
    if (entry.type == 'e') leave(0);
    length = text_length(base);
    check(join(path + length, sizeof path - length, relative[0] ? "/" : "", relative), base);
    if (entry.type == 'f') put_file(&entry);
    else if (entry.type == 'l') put_link(&entry);
    else if (entry.type == 'd') put_folder(&entry);
    else if (entry.type == 'm') {
      check(CALL3(SYS_fchmodat, AT_FDCWD, path, entry.mode & 07777), path);
      set_time(path, entry.seconds);
    } else fail(-EPROTO, path);
  }
}

static void give(const void *bytes, u64 length) {
  if (write_all(1, bytes, length) < 0) leave(1);
}

static void give_entry(u8 type, const struct file_status *status, u64 size, const char *name) {
  struct entry entry = {type, 0, (u16)text_length(name), status->mode & 07777, status->modified.seconds, size};
  give(&entry, ENTRY_BYTES);
  give(name, entry.name_length);
}

static void get_file(const char *name) {
  struct file_status status;
  int fd = (int)check(open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0), path);
  check(CALL2(SYS_fstat, fd, &status), path);
  if ((status.mode & S_IFMT) != S_IFREG) fail(-EINVAL, path);
  give_entry('f', &status, (u64)status.size, name);
  for (;;) {
    i64 count = CALL3(SYS_read, fd, piece, sizeof piece);
    if (count == -EINTR) continue;
    check(count, path);
    u32 length = (u32)count;
    give(&length, sizeof length);
    if (count == 0) break;
    give(piece, (u64)count);
  }
  CALL1(SYS_close, fd);
}

static void get_any(u64 name_at, int follow);

static void get_folder(u64 name_at) {
  u8 entries[2048];
  u64 end = text_length(path);
  int fd = (int)check(open_file(path, O_RDONLY | O_DIRECTORY, 0), path);
  for (;;) {
    i64 count = check(CALL3(SYS_getdents64, fd, entries, sizeof entries), path);
    if (count == 0) break;
    for (i64 at = 0; at < count;) {
      struct directory_entry *entry = (struct directory_entry *)(entries + at);
      at += entry->length;
      if (text_equal(entry->name, ".") || text_equal(entry->name, "..")) continue;
      const char *slash = end > 0 && path[end - 1] == '/' ? "" : "/";
      check(join(path + end, NAME_MAX_BYTES - end, slash, entry->name), path);
      get_any(name_at, 0);
      path[end] = 0;
    }
  }
  CALL1(SYS_close, fd);
}

/* What is at `path`, whose name in the stream begins at `name_at`. What has gone meanwhile is left out. */
static void get_any(u64 name_at, int follow) {
  struct file_status status;
  i64 found = CALL4(SYS_newfstatat, AT_FDCWD, path, &status, follow ? 0 : AT_SYMLINK_NOFOLLOW);
  if (found == -ENOENT && !follow) return;
  check(found, path);
  const char *name = path + name_at;
  if (*name == '/') name++;
  u32 kind = status.mode & S_IFMT;
  if (kind == S_IFDIR) {
    give_entry('d', &status, 0, name);
    get_folder(name_at);
    name = path + name_at;
    if (*name == '/') name++;
    give_entry('m', &status, 0, name);
  } else if (kind == S_IFLNK) {
    i64 length = check(CALL4(SYS_readlinkat, AT_FDCWD, path, piece, NAME_MAX_BYTES - 1), path);
    give_entry('l', &status, (u64)length, name);
    give(piece, (u64)length);
  } else if (kind == S_IFREG) get_file(name);
  else if (follow) fail(-EINVAL, path);
  else say("0", " ", path);
}

static __attribute__((noreturn)) void get(const char *source) {
  struct file_status end = {0};
  check(join(path, NAME_MAX_BYTES, source, ""), source);
  get_any(text_length(path), 1);
  give_entry('e', &end, 0, "");
  leave(0);
}

#endif
