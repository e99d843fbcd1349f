/* What the init says: every message is one line and one write(2), so that lines of several processes never mix.
   In a normal run it says nothing. */
#ifndef INITWRAP_LOG_H
#define INITWRAP_LOG_H

#include "options.h"

/* Writes to a descriptor, cut to one buffer: %s text, %d signed number, %g signal name, %e error (positive) in words. */
void say(int descriptor, const char *format, ...);

/* The same to stderr, after the prefix that the personality's own program gives its errors. */
void complain(const struct options *options, const char *format, ...);

/* tini's levels of verbosity; the other personalities know only silence and everything. */
enum { LEVEL_WARNING = 1, LEVEL_INFO, LEVEL_DEBUG, LEVEL_TRACE };

/* The same for -v, when it was given often enough for `level`; to stdout where tini writes there. Dropped rather than
   waited for when nobody empties the pipe: a log must never hold up a signal. */
void tell(const struct options *options, int level, const char *format, ...);

#endif
