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
	say(options, ROW_REAPED, pid, 0);
	/* Without -w, tini has no more to say about an orphan. */
	if (main || options->warn_on_reap || options->personality != TINI)
		say(options, ROW_ORPHAN_EXITED + (signal != 0) + 2 * main, pid, signal ? signal : death_code(status));
}

void reap(struct supervision *state)
{
	const struct options *options = state->options;
	int status = 0;
	for (;;) {
		int pid = (int)SYS(NR_wait4, -1, &status, WAIT_NO_HANG | WAIT_ALL_KINDS, NULL);
		if (pid <= 0) {
			if (pid == -E_INTR)
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
		if (duration_is_zero(options->grace))
			return;
	}
}

int exit_code(const struct supervision *state)
{
	int signal = death_signal(state->status);
	int code = (signal ? 128 + signal : death_code(state->status)) & 0xff;
	return code ^ state->options->exit_flip[code];
}

/* How many processes the kernel killed in this control group for lack of memory, or -1 when it does not say. */
static int32_t memory_kills(void)
{
	/* Version 2, then version 1 of the control groups; the line is "oom_kill 3" in both. */
	static const char files[][42] = { "/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control" };
	for (int i = 0; i < 2; i++) {
		char text[512];
		long descriptor = SYS(NR_openat, AT_CWD, files[i], OPEN_READ | OPEN_CLOEXEC, 0);
		if (descriptor < 0)
			continue;
		long length = SYS(NR_read, descriptor, text, sizeof text - 1);
		SYS(NR_close, descriptor);
		text[length > 0 ? length : 0] = 0;
		for (const char *line = text; *line; line++) {
			const char *value = text_after(line, "oom_kill ");
			if (value)
				return text_number(&value, INT32_MAX / 10 - 1);
			while (*line && *line != '\n')
				line++;
			if (!*line)
				break;
		}
	}
	return -1;
}

void report(const struct supervision *state, int code)
{
	const char *file = state->options->report;
	int signal = death_signal(state->status);
	int32_t kills = memory_kills();
	int descriptor = (int)SYS(NR_openat, AT_CWD, file,
				  OPEN_WRITE | OPEN_CREATE | OPEN_TRUNCATE | OPEN_CLOEXEC | OPEN_NO_TTY, 0644);
	if (descriptor < 0) {
		say(state->options, ROW_CANNOT_REPORT, -descriptor, 0);
		return;
	}
	int numbers[] = { code, signal, (int)state->forwarded, (int)state->reaped };
	say_to(descriptor, state->options, ROW_REPORT * WORDS_PERSONALITIES + (signal ? 3 : 0) + (kills < 0 ? 0 : kills ? 2 : 1),
	       numbers);
}
