/* Why no dead child is missed: SIGCHLD is blocked, so one that arrives stays pending until the loop takes it; several
   merge into one, which is why a single SIGCHLD collects until the kernel has no more to give. A child that dies after
   that last question makes a new SIGCHLD pending, and the loop comes back. */
#include "reap.h"

#include "log.h"
#include "text.h"

static int death_signal(int status)
{
	return status & 0x7f;
}

static int death_code(int status)
{
	return (status >> 8) & 0xff;
}

static void tell_death(const struct supervision *state, int pid, int status)
{
	const struct options *options = state->options;
	int signal = death_signal(status);
	bool main = pid == state->main;
	say(options, ROW_REAPED, pid);
	/* Without -w, tini has no more to say about an orphan. */
	if (main || options->warn_on_reap || options->personality != TINI)
		say_both(options, ROW_ORPHAN_EXITED + (signal != 0) + 2 * main, pid, signal ? signal : death_code(status));
}

WITHOUT_RETURN void reap(struct supervision *state)
{
	const struct options *options = state->options;
	int status = 0;
	for (;;) {
		int pid = (int)SYS(NR_wait4, -1, &status, WAIT_NO_HANG | WAIT_ALL_KINDS, NULL);
		if (pid <= 0) {
			/* The SIGCHLD is taken: giving up would be for ever. */
			if (pid && pid != -E_CHILD)
				continue;
			state->childless = pid == -E_CHILD;
			return;
		}
		if (options->verbosity | options->warn_on_reap)
			tell_death(state, pid, status);
		if (pid != state->main || state->ended) {
			state->reaped++;
			continue;
		}
		state->status = status;
		state->ended = true;
		if (duration_is_zero(&options->grace))
			return;
	}
}

int exit_code(const struct supervision *state)
{
	int signal = death_signal(state->status);
	int code = (signal ? 128 + signal : death_code(state->status)) & 0xff;
	return code ^ state->options->exit_flip[code];
}

/* 1 when the kernel killed a process of this control group for lack of memory, 0 when it did not, -1 when it does not say. */
static int memory_kills(void)
{
	/* Version 2, then version 1 of the control groups; the line is "oom_kill 3" in both. */
	static const char files[] = "/sys/fs/cgroup/memory.events\0/sys/fs/cgroup/memory/memory.oom_control\0";
	for (const char *file = files; *file; file += text_length(file) + 1) {
		char text[512];
		long descriptor = sys_open(file, OPEN_READ);
		long length = SYS(NR_read, descriptor, text, sizeof text - 1);
		text[length > 0 ? length : 0] = 0;
		for (const char *at = text; *at; at++) {
			const char *value = text_after(at, "oom_kill ");
			if (value)
				return *value != '0';
		}
	}
	return -1;
}

void report(const struct supervision *state, int code)
{
	const char *file = state->options->report;
	int signal = death_signal(state->status);
	int descriptor = sys_open(file, OPEN_WRITE | OPEN_CREATE | OPEN_TRUNCATE | OPEN_NO_TTY);
	if (descriptor < 0) {
		say(state->options, ROW_CANNOT_REPORT, -descriptor);
		return;
	}
	int numbers[] = { code, signal, (int)state->forwarded, (int)state->reaped };
	say_to(descriptor, state->options, ROW_REPORT * WORDS_PERSONALITIES + (signal ? 4 : 1) + memory_kills(), numbers);
}
