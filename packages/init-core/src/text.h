/* Strings and numbers for a program without a libc. No I/O, no state: shared with the Node addon. */
#ifndef INITWRAP_TEXT_H
#define INITWRAP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For the constants that an ordinary run reads: see init.ld. Elsewhere, as in the addon, it means nothing. */
#ifdef INITWRAP_FREESTANDING
#define HOT __attribute__((section(".hot")))
#else
#define HOT
#endif

/* Bytes before the terminating NUL. */
size_t text_length(const char *text);

/* Whether both are the same, byte for byte. */
bool text_equal(const char *left, const char *right);

/* The rest of `text` after `prefix`, or NULL when it does not begin with it. */
const char *text_after(const char *text, const char *prefix);

/* The part of `path` after its last slash. */
const char *text_basename(const char *path);

/* Reads decimal digits at *cursor and moves it past them. -1 when there are none or they exceed `limit`. */
int32_t text_number(const char **cursor, int32_t limit);

/* Clears `bytes`, a multiple of a machine word and not 0, without becoming a call of memset(3). */
void clear(void *to, size_t bytes);

/* Writes `value` in decimal at `to` (11 bytes suffice) and returns where its terminating NUL is. */
char *text_decimal(char *to, uint32_t value);

/* The same with a copy of `from`. */
char *text_copy(char *to, const char *from);

#endif
