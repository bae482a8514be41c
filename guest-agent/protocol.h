/*
 * What host and agent say to each other: frames over the virtio port "org.godwit.agent", all little-endian.
 *
 *     u32 magic, u32 session, u32 request, u16 type, u16 length, payload, u32 check
 *
 * `check` is the sum (exclusive or) of the four words before the payload, and CHECK. So who comes into the midst of a
 * frame, or whose frame was cut off, finds out. Who has lost its place looks for the next magic word.
 *
 * The host chooses the session, a random number, and begins it with HELLO behind as many zeros as the longest frame
 * has bytes: an agent that is in the midst of a frame comes to its end. It kills what belongs to the session before,
 * and answers with HELLO. Frames of another session are ignored. One that has just started says HELLO of session 0.
 *
 * Both sides send no more than they were given credit for: each stream begins with WINDOW bytes.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

enum {
  VERSION = 1,
  MAGIC = 0x31414757, /* "WGA1" */
  CHECK = 0x5a3c96a5,
  HEADER_BYTES = 16,
  CHECK_BYTES = 4,
  /* Of a frame to the agent and one from it, with header and check. */
  TO_AGENT_BYTES = 4096,
  FROM_AGENT_BYTES = 16384,
  WINDOW = 65536,
  REQUESTS = 32,
};

enum {
  HELLO = 1,  /* both: u32 version; from the agent also u32 how many requests at a time */
  CLOCK,      /* to the agent: u64 nanoseconds since 1970, to which it sets CLOCK_REALTIME at once */
  ARGUMENTS,  /* to: a piece of the texts that START needs; up to WINDOW bytes in all */
  START,      /* to: u8 kind, u8 flags, u16 rows, u16 columns, u16 arguments, u16 variables;
                 texts, each with a 0 behind it: working folder, user, arguments, variables ("" is the default) */
  INPUT,      /* to: bytes for standard input */
  INPUT_END,  /* to */
  CREDIT,     /* to: u8 stream (1, 2), 3 bytes of 0, u32 bytes that may be sent; from: the same of stream 0 */
  SIGNAL,     /* to: u8 number, for the command and what it started */
  RESIZE,     /* to: u16 rows, u16 columns */
  CANCEL,     /* to: nobody waits for it any more */
  OUTPUT,     /* from: bytes of standard output */
  ERRORS,     /* from: bytes of standard error */
  EXIT,       /* from: u8 0 and exit status, or 1 and number of the signal; the last of a request */
};

enum { EXECUTE = 0, PUT = 1, GET = 2 };
enum { WITH_TERMINAL = 1 };

/*
 * Files travel as a stream of entries, to the standard input of PUT and from the standard output of GET:
 *
 *     u8 type, u8 0, u16 length of the name, u32 mode, u64 seconds since 1970, u64 size, name
 *
 * The name is relative to what is copied, which itself has the name "". 'd': a folder; 'm' with the same name comes
 * behind its content. 'l': a symbolic link; `size` bytes with its target follow. 'f': a file; pieces follow, each with
 * a u32 length before it, and a length of 0; `size` is what it had when it was opened. 'e': the end of it all.
 *
 * An error of PUT or GET is a line "NUMBER PATH" on standard error, with Linux' number, and exit status 1. What GET
 * leaves out since it is neither file, folder nor link is a line "0 PATH".
 */
enum { ENTRY_BYTES = 24, NAME_MAX_BYTES = 4096 };

struct entry {
  u8 type, zero;
  u16 name_length;
  u32 mode;
  i64 seconds;
  u64 size;
};

#endif
