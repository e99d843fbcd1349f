/* From a command line to a running main child. */
#ifndef INITWRAP_SPAWN_H
#define INITWRAP_SPAWN_H

#include "options.h"
#include "sys/sys.h"

/* What the init inherited and the child must inherit as if there were no init. */
struct inheritance {
	char **environment;
	struct signal_set blocked;
	bool children_ignored; /* SIGCHLD was set to SIG_IGN */
};

/* Starts the command and returns its pid once it runs, or has failed to: a command that cannot be executed says so
   itself and ends with 126 or 127 like any other child. Negative: there is no child, and why. */
int spawn(const struct options *options, int self, const struct inheritance *inheritance);

/* Lets go of what the init holds only because it inherited it: descriptors from 3 on, and the working directory. */
void let_go(void);

#endif
