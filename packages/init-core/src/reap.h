/* Dead children: collecting them, and what the main child's end means for the init's own. */
#ifndef INITWRAP_REAP_H
#define INITWRAP_REAP_H

#include "supervise.h"

/* Collects every dead child there is, until none is left or the main child has ended and nothing else is awaited. */
void reap(struct supervision *state);

/* Before there is a command: a child from before our exec may have died while its SIGCHLD was discarded, and the next may be
   long in coming. Returns how many were reaped. */
static inline uint32_t reap_predecessors(void)
{
	uint32_t count = 0;
	while (SYS(NR_wait4, -1, NULL, WAIT_NO_HANG | WAIT_ALL_KINDS, NULL) > 0)
		count++;
	return count;
}

/* 0..255, or 128 + n for a death by signal n, then --exit-map. */
int exit_code(const struct supervision *state);

/* --report: one line of JSON. */
void report(const struct supervision *state, int code);

#endif
