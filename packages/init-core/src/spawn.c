/* The child is started like vfork(2) does it: it borrows the init's memory, and the init sleeps until the child has
   executed the command or given up. So there is no window in which a signal could be forwarded to a child that has
   not yet made its process group or session, still runs the init's code, or has its mask already restored: whatever
   arrives meanwhile stays pending in the init, where everything is blocked, and is forwarded to the command itself.
   It also costs no page tables.

   Sharing memory is safe here because the child writes only to its own stack frames below the caller's, to argv and
   to the environment, none of which the init looks at again. */
#include "spawn.h"

#include "log.h"
#include "text.h"

enum { EXIT_CANNOT_EXECUTE = 126, EXIT_NOT_FOUND = 127 };

HOT static const char path_is[] = "PATH=", listen_pid_is[] = "LISTEN_PID=", terminal[] = "/dev/tty", root[] = "/";

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct plan {
	const struct options *options;
	const struct inheritance *inheritance;
	const char *path;    /* value of PATH */
	char **listen_slot;  /* the environment's LISTEN_PID when it names the init, else NULL */
	int self;
	int old_directory;   /* the working directory to go back to, or -1 */
};

/* Makes the child's group the terminal's foreground group, if the init's was: taking it from somebody else would stop
   the shell that started us in the background. Setting it from a background group is allowed as SIGTTOU is blocked. */
static void take_foreground(const struct plan *plan)
{
	int descriptor = 0;
	int32_t foreground;
	if (SYS(NR_ioctl, descriptor, TTY_GET_GROUP, &foreground) < 0) {
		/* Redirected stdin; there may be a controlling terminal all the same. The descriptor ends with the exec. */
		descriptor = sys_open(terminal, OPEN_READ_WRITE | OPEN_NO_TTY);
		if (descriptor < 0 || SYS(NR_ioctl, descriptor, TTY_GET_GROUP, &foreground) < 0)
			return;
	}
	if (foreground == SYS(NR_getpgid, plan->self)) {
		int32_t own = (int32_t)SYS0(NR_getpid);
		SYS(NR_ioctl, descriptor, TTY_SET_GROUP, &own);
	}
}

/* A file that the kernel does not know how to execute is a script for /bin/sh, as for execvp(3), unless its first line
   holds a NUL: a shell would only print gibberish from a program for another machine. */
static bool looks_like_script(const char *path)
{
	char start[128];
	long descriptor = sys_open(path, OPEN_READ);
	long length = SYS(NR_read, descriptor, start, sizeof start);
	for (long i = 0; i < length && start[i] != '\n'; i++)
		if (!start[i])
			return false;
	return true;
}

/* Executes `path` and returns only with an error; or, without an environment, just looks whether it is there. */
static int attempt(const char *path, char **command, char **environment)
{
	if (!environment)
		return (int)SYS(NR_faccessat, AT_CWD, path, 0);
	int error = (int)SYS(NR_execve, path, command, environment);
	if (error == -E_NOEXEC && looks_like_script(path)) {
		/* argv[-1] is a word of the init's own command line: room for the shell's name. */
		char *name = command[0];
		command[-1] = (char *)"/bin/sh";
		command[0] = (char *)path;
		SYS(NR_execve, command[-1], command - 1, environment);
		command[0] = name;
	}
	return error;
}

/* Tries `command` in each directory of PATH, going on after the errors that execvp(3) goes on after. */
static int search(const char *path, char **command, char **environment)
{
	size_t name_length = text_length(*command);
	int error = -E_NOENT;

	if (text_basename(*command) != *command)
		return attempt(*command, command, environment);
	if (!name_length || name_length > 255)
		return error;
	for (;;) {
		const char *end = path;
		while (*end && *end != ':')
			end++;
		size_t length = (size_t)(end - path);
		if (length < 4096) {
			/* As long as needed and no longer: this is the init's stack, whose pages stay. */
			char candidate[length + name_length + 2];
			char *to = candidate;
			while (path < end)
				*to++ = *path++;
			if (length)
				*to++ = '/';
			text_copy(to, *command);
			int now = attempt(candidate, command, environment);
			if (now == -E_ACCES)
				error = now;
			else if (now != -E_NOENT && now != -E_NOTDIR && now != -E_NODEV)
				return now;
		}
		if (!*end)
			return error;
		path = end + 1;
	}
}

static int exit_for(const struct options *options, int error)
{
	bool missing = error == -E_NOENT || error == -E_NOTDIR || error == -E_LOOP || error == -E_NAMETOOLONG;
	switch (options->personality) {
	case TINI:
		return error == -E_NOENT ? EXIT_NOT_FOUND : error == -E_ACCES ? EXIT_CANNOT_EXECUTE : 1;
	case DUMB_INIT:
		return 2;
	case CATATONIT:
		return 1;
	default:
		return missing ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
	}
}

static void explain(const struct plan *plan, int error)
{
	const struct options *options = plan->options;
	/* There, and yet not found: what is missing is the program it is for. */
	bool there = options->personality == INITWRAP && error == -E_NOENT
	          && !search(plan->path, options->command, NULL);
	say(options, there ? ROW_NO_INTERPRETER : ROW_CANNOT_EXECUTE, -error);
}

/* The child, up to the moment it becomes the command. Not inlined: its frames must lie below its caller's. */
__attribute__((noinline)) _Noreturn static void run_child(const struct plan *plan)
{
	const struct options *options = plan->options;
	char listen[24];
	uintptr_t action[SIGACTION_WORDS] = { 0 };
	int error;

	if (plan->old_directory >= 0)
		SYS(NR_fchdir, plan->old_directory);
	say(options, ROW_SPAWNED, 0);
	if (options->session) {
		SYS0(NR_setsid);
		error = (int)SYS(NR_ioctl, 0, TTY_TAKE, 0);
		if (error < 0)
			say(options, ROW_TTY_NOT_TAKEN, -error);
		say(options, ROW_SESSION_MADE, 0);
	} else if (options->personality != DUMB_INIT) {
		SYS(NR_setpgid, 0, 0);
		take_foreground(plan);
	}

	if (plan->listen_slot) {
		text_decimal(text_copy(listen, listen_pid_is), (uint32_t)SYS0(NR_getpid));
		*plan->listen_slot = listen;
	}
	if (plan->inheritance->children_ignored) {
		action[SIGACTION_HANDLER] = 1; /* SIG_IGN */
		SYS(NR_rt_sigaction, SIG_CHLD, action, NULL, sizeof(struct signal_set));
	}
	SYS(NR_rt_sigprocmask, MASK_SET, &plan->inheritance->blocked, NULL, sizeof(struct signal_set));

	error = search(plan->path, options->command, plan->inheritance->environment);
	explain(plan, error);
	sys_exit(exit_for(options, error));
}

int spawn(const struct options *options, int self, const struct inheritance *inheritance)
{
	struct plan plan = { options, inheritance, default_path, NULL, self, -1 };
	for (char **slot = inheritance->environment; *slot; slot++) {
		const char *value;
		if ((*slot)[0] == 'P' && (value = text_after(*slot, path_is)))
			plan.path = value;
		else if ((*slot)[0] == 'L' && (value = text_after(*slot, listen_pid_is))
			 && text_number(&value, INT32_MAX / 10 - 1) == self && !*value)
			plan.listen_slot = slot;
	}

	/* dumb-init leaves the working directory before it forks, and a child may look for that. The others need no
	   descriptor for it: let_go comes soon enough. */
	if (options->personality == DUMB_INIT) {
		plan.old_directory = sys_open(".", OPEN_PATH);
		if (plan.old_directory >= 0)
			SYS(NR_chdir, root);
	}

	int pid = (int)CLONE_SAME_STACK(CLONE_SHARE_AND_WAIT | SIG_CHLD);
	if (pid == 0)
		run_child(&plan);
	if (plan.old_directory >= 0)
		SYS(NR_close, plan.old_directory);
	return pid;
}

void let_go(void)
{
	SYS(NR_chdir, root);
	if (SYS(NR_close_range, 3, ~0u, 0) >= 0)
		return;
	/* Before Linux 5.9 one at a time, as far as it is cheap. */
	for (int descriptor = 3; descriptor < 4096; descriptor++)
		SYS(NR_close, descriptor);
}
