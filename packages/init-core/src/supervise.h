/* The rest of the init's life: wait for a signal; forward it, or reap. */
#ifndef INITWRAP_SUPERVISE_H
#define INITWRAP_SUPERVISE_H

#include "options.h"
#include "sys/sys.h"

enum phase {
	RUNNING,  /* nobody asked to stop */
	STOPPING, /* the request to stop was passed on; nothing is timed, as it is from here on */
	HOLDING,  /* --stop-delay: a TERM waits for the deadline */
	STAGING,  /* --stop-plan: the next stage waits for the deadline */
	GRACE,    /* --grace: everything was sent TERM; KILL at the deadline */
	KILLED    /* everything was sent KILL */
};

struct supervision {
	const struct options *options;
	int self, main;    /* pids; main is 0 when there is no main child (pause) */
	int status;        /* the main child's wait status, once it has ended */
	bool ended;        /* the main child was reaped: its pid may belong to anybody by now */
	bool childless;    /* the kernel said that the init has no children left */
	bool stop_sent;    /* a stop signal was forwarded and no CONT since */
	bool told;         /* everything was sent a TERM */
	uint8_t phase;     /* enum phase */
	uint8_t stage;     /* STAGING: the stage that comes next */
	uint8_t hand_off;  /* dumb-init: HUP (1) and CONT (2) yet to be swallowed, caused by leaving the terminal */
	uint32_t forwarded, reaped;

	/* Not cleared. */
	struct kernel_time deadline;
	struct signal_info held; /* HOLDING: the request to stop */
};

extern const struct signal_set every_signal;

/* Returns when the init may end. */
void supervise(struct supervision *state);

#endif
