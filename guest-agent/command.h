/* What a child of the agent does until it is the command. */
#ifndef COMMAND_H
#define COMMAND_H

#include "system.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { CANNOT_EXECUTE = 126, NOT_FOUND = 127, GROUPS = 64, VARIABLES = 512, TABLE_BYTES = 65536 };

struct identity {
  u32 uid, gid, groups[GROUPS];
  int group_count;
  char *name, *home, *shell;
};

static char table[TABLE_BYTES];

static char *read_table(const char *file) {
  int fd = open_file(file, O_RDONLY, 0);
  u64 length = 0;
  while (fd >= 0 && length < sizeof table - 1) {
    i64 count = CALL3(SYS_read, fd, table + length, sizeof table - 1 - length);
    if (count <= 0) break;
    length += (u64)count;
  }
  close_file(&fd);
  table[length] = 0;
  return table;
}

/* Cuts the text at the next `separator`; gives what is behind it. */
static char *cut(char *text, char separator) {
  while (*text != 0 && *text != separator) text++;
  if (*text == separator) *text++ = 0;
  return text;
}

static int number_of(const char *text, u32 *number) {
  u64 value = 0;
  if (*text == 0) return 0;
  for (; *text != 0; text++) {
    if (*text < '0' || *text > '9' || value > 0xffffffffu) return 0;
    value = value * 10 + (u64)(*text - '0');
  }
  *number = (u32)value;
  return value < 0xffffffffu;
}

static void copy_text(char *to, u64 size, const char *from) {
  if (join(to, size, from, "") < 0) to[0] = 0;
}

/* A user by name or number in /etc/passwd; a number that is not there is a user without a name. */
static int find_user(const char *wanted, struct identity *found) {
  static char name[256], home[1024], shell[1024];
  u32 number = 0;
  int numeric = number_of(wanted, &number);
  for (char *line = read_table("/etc/passwd"); *line != 0;) {
    char *next = cut(line, '\n'), *field[7] = {line};
    for (int i = 1; i < 7; i++) field[i] = cut(field[i - 1], ':');
    u32 uid, gid;
    if (number_of(field[2], &uid) && number_of(field[3], &gid) &&
        (numeric ? uid == number : text_equal(field[0], wanted))) {
      copy_text(name, sizeof name, field[0]);
      copy_text(home, sizeof home, field[5]);
      copy_text(shell, sizeof shell, field[6]);
      *found = (struct identity){.uid = uid, .gid = gid, .name = name, .home = home, .shell = shell};
      return 1;
    }
    line = next;
  }
  *found = (struct identity){.uid = number, .gid = number, .name = "", .home = "/", .shell = ""};
  return numeric;
}

static void find_groups(struct identity *user) {
  for (char *line = read_table("/etc/group"); *line != 0;) {
    char *next = cut(line, '\n'), *field[4] = {line};
    for (int i = 1; i < 4; i++) field[i] = cut(field[i - 1], ':');
    u32 gid;
    if (number_of(field[2], &gid)) {
      for (char *member = field[3]; *member != 0 && user->group_count < GROUPS;) {
        char *rest = cut(member, ',');
        if (text_equal(member, user->name)) user->groups[user->group_count++] = gid;
        member = rest;
      }
    }
    line = next;
  }
}

static char *variables[VARIABLES + 8];
static int variable_count;

static const char *variable(const char *name) {
  u64 length = text_length(name);
  for (int i = 0; i < variable_count; i++)
    if (begins_with(variables[i], name) && variables[i][length] == '=') return variables[i] + length + 1;
  return NULL;
}

/* Unless it is there. `to` becomes part of the environment. */
static void add_variable(const char *name, const char *value, char *to, u64 size) {
  if (variable(name) != NULL || *value == 0) return;
  u64 length = text_length(name);
  if (join(to, size, name, "=") < 0 || join(to + length + 1, size - length - 1, value, "") < 0) return;
  variables[variable_count++] = to;
}

static void become(const char *wanted, struct identity *user) {
  if (!find_user(*wanted == 0 ? "0" : wanted, user)) {
    say("godwit: there is no user ", wanted, "");
    leave(CANNOT_EXECUTE);
  }
  if (*wanted == 0) return;
  if (*user->name != 0) find_groups(user);
  if (CALL2(SYS_setgroups, user->group_count, user->groups) < 0 || CALL1(SYS_setgid, user->gid) < 0 ||
      CALL1(SYS_setuid, user->uid) < 0) {
    say("godwit: cannot become the user ", wanted, "");
    leave(CANNOT_EXECUTE);
  }
}

static void enter_folder(const char *folder, const struct identity *user) {
  if (*folder != 0 && CALL1(SYS_chdir, folder) < 0) {
    say("godwit: cannot enter the folder ", folder, "");
    leave(CANNOT_EXECUTE);
  }
  if (*folder == 0 && (*user->home == 0 || CALL1(SYS_chdir, user->home) < 0)) CALL1(SYS_chdir, "/");
}

/* As a shell does: 127 for what is not there, 126 for what cannot be executed. */
static __attribute__((noreturn)) void execute(char **arguments) {
  static char program[4096];
  const char *name = arguments[0];
  i64 error = -ENOENT;
  const char *slash = name;
  while (*slash != 0 && *slash != '/') slash++;
  variables[variable_count] = NULL;
  if (*slash != 0) error = CALL3(SYS_execve, name, arguments, variables);
  else if (*name != 0) {
    const char *folders = variable("PATH");
    while (folders != NULL && *folders != 0) {
      u64 length = 0;
      while (folders[length] != 0 && folders[length] != ':') length++;
      if (length + 2 < sizeof program) {
        memcpy(program, folders, length);
        if (join(program + length, sizeof program - length, length > 0 ? "/" : "", name) == 0) {
          i64 result = CALL3(SYS_execve, program, arguments, variables);
          if (result != -ENOENT && result != -ENOTDIR) error = result;
        }
      }
      folders += length;
      if (*folders == ':') folders++;
    }
  }
  int missing = error == -ENOENT || error == -ENOTDIR;
  say("godwit: ", name, missing ? ": not found" : ": cannot be executed");
  leave(missing ? NOT_FOUND : CANNOT_EXECUTE);
}

#endif
