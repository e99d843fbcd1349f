/* What --help, --version and --license print. */
#ifndef INITWRAP_TEXTS_H
#define INITWRAP_TEXTS_H

#include "options.h"

/* Answers any request but REQUEST_RUN and returns the exit code. */
int present(const struct options *options, const char *name);

#endif
