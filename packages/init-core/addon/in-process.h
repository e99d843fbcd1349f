/* The init's work done by this process instead of by a program of its own: spawn, forward, reap, in the init's own code.

   The order of the steps is that of src/main.c. What differs: the process is not the init's alone, so the other threads
   are stopped meanwhile, and everything that is changed for the init is changed back. */
#ifndef INITWRAP_ADDON_IN_PROCESS_H
#define INITWRAP_ADDON_IN_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "../src/options.h"

enum failure {
	FAILURE_NONE,
	FAILURE_THREAD,   /* not called on the main thread, the only one that adopts orphans */
	FAILURE_CHILDREN, /* the process has children, whose exit codes would be taken */
	FAILURE_THREADS,  /* the other threads could not be stopped */
	FAILURE_FORK      /* the kernel refuses another process; `error` says why */
};

struct in_process {
	/* In. */
	bool own_every_child; /* no FAILURE_CHILDREN: what children there are may be reaped */
	bool exit;            /* do not return: end the process with the exit code */
	/* Out. */
	int error;
	int exit_code;
	int signal; /* that ended the command, or 0 */
	uint32_t forwarded, reaped;
};

/* Runs the command to its end. `environment` is the command's; its pointers may be changed. */
enum failure supervise_in_process(const struct options *options, char **environment, struct in_process *call);

#endif
