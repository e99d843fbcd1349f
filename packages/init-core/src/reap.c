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
	switch (options->personality) {
	case TINI:
		tell(options, LEVEL_DEBUG, "Reaped child with pid: '%d'\n", pid);
		if (main && signal)
			tell(options, LEVEL_INFO, "Main child exited with signal (with signal '%g')\n", signal);
		else if (main)
			tell(options, LEVEL_INFO, "Main child exited normally (with status '%d')\n", death_code(status));
		else if (options->warn_on_reap)
			tell(options, LEVEL_WARNING, "Reaped zombie process with pid=%d\n", pid);
		break;
	case INITWRAP:
		if (signal)
			tell(options, LEVEL_INFO, "%s %d killed by %g\n", main ? "main child" : "orphan", pid, signal);
		else
			tell(options, LEVEL_INFO, "%s %d exited with code %d\n", main ? "main child" : "orphan", pid,
			     death_code(status));
		break;
	default:
		if (signal)
			tell(options, LEVEL_INFO, "A child with PID %d was terminated by signal %d.\n", pid, signal);
		else
			tell(options, LEVEL_INFO, "A child with PID %d exited with exit status %d.\n", pid, death_code(status));
	}
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
	return state->options->exit_mapped ? code ^ state->options->exit_flip[code] : code;
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
		complain(state->options, "cannot write the report %s: %e\n", file, -descriptor);
		return;
	}
	char name[SIGNAL_NAME_SIZE];
	const char *quote = signal ? "\"" : "";
	say(descriptor, "{\"exitCode\":%d,\"signal\":%s%s%s,\"forwarded\":%d,\"reaped\":%d,\"oomKilled\":%s}\n", code, quote,
	    signal ? signal_name(name, signal) : "null", quote, state->forwarded, state->reaped,
	    kills < 0 ? "null" : kills ? "true" : "false");
}
