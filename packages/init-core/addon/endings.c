#define _GNU_SOURCE
#include "endings.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"

/* What was there first: Node.js puts the terminal back when INT or TERM end it, and then raises the signal again, which
   does nothing to PID 1. */
static void (*volatile first[KERNEL_SIGNALS + 1])(int, siginfo_t *, void *);

static void end(int signal, siginfo_t *info, void *context)
{
	if (first[signal])
		first[signal](signal, info, context);
	_exit(128 + signal);
}

void end_by(int signal)
{
	struct sigaction action, before;
	if (signal < 1 || signal > KERNEL_SIGNALS)
		return;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = end;
	action.sa_flags = SA_SIGINFO | SA_RESTART;
	sigaction(signal, NULL, &before);
	if (!first[signal] && before.sa_flags & SA_SIGINFO && before.sa_sigaction != end)
		first[signal] = before.sa_sigaction;
	sigaction(signal, &action, NULL);
}
