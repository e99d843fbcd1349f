/* Signal names, numbers and sets as the kernel knows them. No I/O, no state: shared with the Node addon.
   Numbers: signal(7); MIPS numbers 20 of them differently and has 127 instead of 64. */
#ifndef INITWRAP_SIGNALS_H
#define INITWRAP_SIGNALS_H

#include <stddef.h>

#ifdef __mips__
enum { SIGNAL_LAST = 127 };
enum {
	SIG_HUP = 1, SIG_INT = 2, SIG_QUIT = 3, SIG_KILL = 9, SIG_PIPE = 13, SIG_TERM = 15, SIG_CHLD = 18,
	SIG_STOP = 23, SIG_TSTP = 24, SIG_CONT = 25, SIG_TTIN = 26, SIG_TTOU = 27
};
#else
enum { SIGNAL_LAST = 64 };
enum {
	SIG_HUP = 1, SIG_INT = 2, SIG_QUIT = 3, SIG_KILL = 9, SIG_PIPE = 13, SIG_TERM = 15, SIG_CHLD = 17,
	SIG_CONT = 18, SIG_STOP = 19, SIG_TSTP = 20, SIG_TTIN = 21, SIG_TTOU = 22
};
#endif

/* The first real-time signal a C library hands out: two below it are the library's own. */
enum { SIGNAL_RTMIN = 34 };

/* Bytes that signal_name may write, NUL included: "SIGRTMIN+93". */
enum { SIGNAL_NAME_SIZE = 12 };

/* The signal that the text at *cursor names, up to a colon, a comma or the end: TERM, SIGTERM, sigterm, 15, RTMIN+3,
   RTMAX-1. "0" is 0. Moves the cursor past it; -1 for anything else. */
int signal_parse(const char **cursor);

/* Writes the name with its SIG prefix; a number without a name is written as digits. */
void signal_name(char *to, int number);

#endif
