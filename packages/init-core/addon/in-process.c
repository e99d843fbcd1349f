#define _GNU_SOURCE
#include "in-process.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../src/log.h"
#include "../src/reap.h"
#include "../src/spawn.h"
#include "../src/supervise.h"
#include "../src/text.h"
#include "kernel.h"
#include "threads.h"

enum { INHERITED_MAX = 1024 };

/* What the process had before, of what the init or the command must not have. */
struct process_state {
	struct kernel_action actions[KERNEL_SIGNALS + 1];
	int file_count; /* the first ones, which the command gets */
	bool close_on_exec[INHERITED_MAX], non_blocking[INHERITED_MAX];
	int subreaper, parent_death_signal;
	int terminal; /* whose foreground group this process is in, else -1 */
};

/* Node.js has handlers, and ignores SIGPIPE and SIGXFSZ. The command gets the defaults, as from child_process; and with
   every thread's signals blocked none of them acts here. */
static void reset_actions(struct process_state *state)
{
	static const struct kernel_action standard;
	for (int signal = 1; signal <= KERNEL_SIGNALS; signal++)
		kernel_action(signal, &standard, &state->actions[signal]);
}

/* Node.js marks every descriptor it was started with close-on-exec, and makes pipes among them non-blocking. The command
   gets its standard streams, blocking, and the sockets that a service manager handed to this process (sd_listen_fds(3));
   which others were inherited cannot be told from what Node.js has opened. */
static int inherited_files(char **environment, int self)
{
	int count = 0;
	bool ours = false;
	for (; *environment; environment++) {
		const char *value = text_after(*environment, "LISTEN_PID=");
		if (value)
			ours = text_number(&value, INT32_MAX / 10 - 1) == self && !*value;
		else if ((value = text_after(*environment, "LISTEN_FDS=")))
			count = text_number(&value, INHERITED_MAX - 3);
	}
	return 3 + (ours && count > 0 ? count : 0);
}

static void open_files(struct process_state *state, char **environment, int self)
{
	state->file_count = inherited_files(environment, self);
	for (int i = 0; i < state->file_count; i++) {
		int kept = kernel_fcntl(i, F_GETFD, 0), flags = kernel_fcntl(i, F_GETFL, 0);
		state->close_on_exec[i] = kept > 0 && kept & FD_CLOEXEC;
		state->non_blocking[i] = i < 3 && flags >= 0 && flags & O_NONBLOCK;
		if (state->close_on_exec[i])
			kernel_fcntl(i, F_SETFD, 0);
		if (state->non_blocking[i])
			kernel_fcntl(i, F_SETFL, flags & ~O_NONBLOCK);
	}
}

static void close_files(const struct process_state *state)
{
	for (int i = 0; i < state->file_count; i++) {
		if (state->close_on_exec[i])
			kernel_fcntl(i, F_SETFD, FD_CLOEXEC);
		if (state->non_blocking[i])
			kernel_fcntl(i, F_SETFL, kernel_fcntl(i, F_GETFL, 0) | O_NONBLOCK);
	}
}

static void take(struct process_state *state, const struct options *options, char **environment, int self)
{
	reset_actions(state);
	open_files(state, environment, self);
	prctl(PR_GET_CHILD_SUBREAPER, &state->subreaper);
	if (self != 1)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_GET_PDEATHSIG, &state->parent_death_signal);
	if (options->parent_death_signal) {
		pid_t parent = getppid();
		prctl(PR_SET_PDEATHSIG, options->parent_death_signal);
		/* A parent that died before sends no signal any more. */
		if (getppid() != parent)
			sys_kill(self, options->parent_death_signal);
	}
	state->terminal = kernel_open("/dev/tty", O_RDWR | O_NOCTTY);
	if (state->terminal >= 0 && tcgetpgrp(state->terminal) != getpgrp()) {
		close(state->terminal);
		state->terminal = -1;
	}
}

static void give_back(const struct process_state *state)
{
	if (state->terminal >= 0) {
		tcsetpgrp(state->terminal, getpgrp());
		close(state->terminal);
	}
	prctl(PR_SET_PDEATHSIG, state->parent_death_signal);
	prctl(PR_SET_CHILD_SUBREAPER, state->subreaper);
	close_files(state);
	for (int signal = 1; signal <= KERNEL_SIGNALS; signal++)
		kernel_action(signal, &state->actions[signal], NULL);
}

static bool has_children(void)
{
	siginfo_t info;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 || errno != ECHILD;
}

static enum failure run(const struct options *options, const struct inheritance *inheritance, int self,
			struct in_process *call)
{
	struct supervision state = { .options = options, .self = self, .phase = RUNNING, .reaped = reap_predecessors() };
	state.main = spawn(options, self, inheritance);
	if (state.main < 0) {
		call->error = -state.main;
		return FAILURE_FORK;
	}
	say(options, ROW_STARTED, state.main);
	supervise(&state);
	/* The init leaves the rest to the kernel, which ends everything after PID 1; this process may go on. */
	if (!call->exit)
		reap(&state);

	call->exit_code = exit_code(&state);
	call->signal = WIFSIGNALED(state.status) ? WTERMSIG(state.status) : 0;
	call->forwarded = state.forwarded;
	call->reaped = state.reaped;
	if (options->report)
		report(&state, call->exit_code);
	/* Other threads stand still: exit(3) would wait for their locks. Signals that come now are for nobody. */
	if (call->exit)
		sys_exit(call->exit_code);
	return FAILURE_NONE;
}

static enum failure work(const struct options *options, char **environment, struct in_process *call)
{
	struct process_state state;
	struct inheritance inheritance = { .environment = environment };
	enum failure failure = FAILURE_THREADS;
	int self = getpid();
	if (kernel_thread() != self)
		return FAILURE_THREAD;

	uint64_t mask = kernel_mask(~(uint64_t)0);
	inheritance.blocked.bits[0] = mask;
	if (threads_stop()) {
		if (!call->own_every_child && has_children()) {
			failure = FAILURE_CHILDREN;
		} else {
			take(&state, options, environment, self);
			failure = run(options, &inheritance, self, call);
			give_back(&state);
		}
		threads_go_on();
	}
	kernel_mask(mask);
	return failure;
}

enum failure supervise_in_process(const struct options *given, char **environment, struct in_process *call)
{
	/* With the words at hand, as in src/main.c. */
	char words[WORDS_TOLD_SIZE];
	struct options options = *given;
	if (options.verbosity) {
		words_unpack(words, ROW_HELP * WORDS_PERSONALITIES);
		options.words = words;
	}
	return work(&options, environment, call);
}
