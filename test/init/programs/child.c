/* Main children for the tests; the first argument is what to do. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct { int signo, code, value; } event;

static void say(const char *text) { if (write(1, text, strlen(text)) < 0) _exit(90); }

static void nap(long milliseconds)
{
	struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
	while (nanosleep(&time, &time) != 0 && errno == EINTR)
		;
}

/* Prints "ready", then "NUMBER VALUE" for each signal it gets; ends with 0 after the last real-time signal. */
static int print_signals(void)
{
	unsigned long every[2] = { ~0ul, ~0ul };
	siginfo_t info;
	/* The raw call: the C library would not block its own two signals, 32 and 33. */
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, every, NULL, 8);
	say("ready\n");
	for (;;) {
		long number = syscall(SYS_rt_sigtimedwait, every, &info, NULL, 8);
		if (number < 0) continue;
		char line[64];
		snprintf(line, sizeof line, "%ld %d\n", number, info.si_code == SI_QUEUE ? info.si_value.sival_int : -1);
		say(line);
		if (number == 64) return 0;
	}
}

static long status_mask(const char *name)
{
	static char line[512];
	FILE *file = fopen("/proc/self/status", "r");
	long mask = -1;
	while (file && fgets(line, sizeof line, file))
		if (!strncmp(line, name, strlen(name))) mask = (long)strtoull(strchr(line, ':') + 1, NULL, 16);
	if (file) fclose(file);
	return mask;
}

/* Everything a process inherits through exec, one item a line, to the file named by the argument. */
static int print_state(int argc, char **argv, char **environment)
{
	int open_files[64], count = 0;
	for (int i = 0; i < 64; i++) if (fcntl(i, F_GETFD) >= 0) open_files[count++] = i;
	char directory[4096];
	unsigned long hash = 5381;
	size_t bytes = 0;
	for (int i = 3; i < argc; i++) for (const char *at = argv[i]; ; at++) { hash = hash * 33 + (unsigned char)*at; bytes++; if (!*at) break; }
	for (char **at = environment; *at; at++) for (const char *c = *at; *c; c++) hash = hash * 33 + (unsigned char)*c;
	mode_t mask = umask(0);
	int error = errno = 0;
	FILE *out = fopen(argv[2], "w");
	if (!out) return 91;
	fprintf(out, "blocked %lx\nignored %lx\ncaught %lx\numask %o\ndirectory %s\nnice %d\nargc %d\nbytes %zu\nhash %lx\n",
		status_mask("SigBlk"), status_mask("SigIgn"), status_mask("SigCgt"), (unsigned)mask, getcwd(directory, sizeof directory), getpriority(PRIO_PROCESS, 0), argc, bytes, hash);
	prctl(PR_GET_PDEATHSIG, &error);
	fprintf(out, "pdeathsig %d\nreaper %d\nprivileges %d %d\nslack %d\nfiles", error, (prctl(PR_GET_CHILD_SUBREAPER, &error), error),
		prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE), prctl(PR_GET_TIMERSLACK));
	for (int i = 0; i < count; i++) fprintf(out, " %d", open_files[i]);
	fprintf(out, "\nlisten %s\npid %d\nleader %d\n", getenv("LISTEN_PID") ? getenv("LISTEN_PID") : "-", getpid(), getpgrp() == getpid());
	fclose(out);
	return 0;
}

static pid_t spawn(void)
{
	pid_t pid;
	while ((pid = fork()) < 0) nap(1); /* at the process limit: wait for the init to reap */
	return pid;
}

/* Makes COUNT orphans that die at once, then waits up to 50 ms (argument: more) until the init has reaped the last. */
static int orphans(int count, int patience)
{
	pid_t *last = mmap(NULL, sizeof *last, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < count; i++) {
		pid_t pid = spawn();
		if (pid == 0) {
			pid_t orphan = spawn();
			if (orphan == 0) { if (i % 3 == 0) setsid(); _exit(7); }
			*last = orphan;
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	for (int i = 0; i < patience; i++) {
		if (kill(*last, 0) != 0 && errno == ESRCH) return 0;
		nap(1);
	}
	return 1;
}

/* One orphan of the kind: gone within 50 ms of its end? `dead`: a zombie before it becomes an orphan. */
static int one_orphan(const char *kind)
{
	int gone[2];
	char byte;
	pid_t *last = mmap(NULL, sizeof *last, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pipe(gone) != 0) return 93;
	pid_t parent = fork();
	if (parent == 0) {
		pid_t orphan = fork();
		if (orphan == 0) {
			close(gone[0]);
			if (!strcmp(kind, "session")) setsid();
			if (strcmp(kind, "dead")) nap(60);
			_exit(9);
		}
		*last = orphan;
		if (!strcmp(kind, "dead")) nap(30);
		_exit(0);
	}
	close(gone[1]);
	waitpid(parent, NULL, 0);
	if (read(gone[0], &byte, 1) != 0) return 94;
	for (int i = 0; i < 50; i++) {
		if (kill(*last, 0) != 0 && errno == ESRCH) return 0;
		nap(1);
	}
	return 1;
}

/* How many zombies are children of process 1. */
static int zombies_of_init(void)
{
	DIR *proc = opendir("/proc");
	int count = 0;
	for (struct dirent *entry; (entry = readdir(proc));) {
		char name[300], state;
		int parent, pid;
		snprintf(name, sizeof name, "/proc/%s/stat", entry->d_name);
		FILE *file = entry->d_name[0] >= '0' && entry->d_name[0] <= '9' ? fopen(name, "r") : NULL;
		if (!file) continue;
		if (fscanf(file, "%d (%*[^)]) %c %d", &pid, &state, &parent) == 3 && state == 'Z' && parent == 1) count++;
		fclose(file);
	}
	closedir(proc);
	return count;
}

/* A chain of parents that never wait; the top one, this process's child, dies last. */
static int chain(int length)
{
	pid_t top = fork();
	if (top == 0) {
		for (int i = 0; i < length; i++) {
			pid_t next = fork();
			if (next != 0) { nap(20 * (length - i)); _exit(0); }
		}
		_exit(0);
	}
	waitpid(top, NULL, 0);
	nap(50);
	return zombies_of_init();
}

static int term_code;
static const char *note;
static void end(int number)
{
	(void)number;
	if (note) { int file = open(note, O_WRONLY | O_CREAT | O_APPEND, 0600); if (write(file, "TERM\n", 5) < 0) _exit(92); close(file); }
	_exit(term_code);
}

int main(int argc, char **argv, char **environment)
{
	const char *what = argc > 1 ? argv[1] : "";
	int number = argc > 2 ? atoi(argv[2]) : 0;
	if (!strcmp(what, "exit")) return number;
	if (!strcmp(what, "die")) { struct rlimit no_core = { 0, 0 }; setrlimit(RLIMIT_CORE, &no_core); syscall(SYS_tgkill, getpid(), getpid(), number); for (;;) pause(); }
	if (!strcmp(what, "pause")) { say("ready\n"); for (;;) pause(); }
	if (!strcmp(what, "signals")) return print_signals();
	if (!strcmp(what, "signals-in-new-group")) { /* leaves the group that the init made */ setpgid(0, getpgid(getppid())); return print_signals(); }
	if (!strcmp(what, "state")) return print_state(argc, argv, environment);
	if (!strcmp(what, "orphans")) return orphans(number, argc > 3 ? atoi(argv[3]) : 50);
	if (!strcmp(what, "orphan")) return one_orphan(argv[2]);
	if (!strcmp(what, "full")) { /* fills the process limit, and ends with NUMBER at TERM */
		term_code = number; signal(SIGTERM, end);
		for (;;) { pid_t pid = fork(); if (pid < 0) break; if (pid == 0) { setsid(); for (;;) pause(); } }
		say("ready\n"); for (;;) pause();
	}
	if (!strcmp(what, "chain")) return chain(number);
	if (!strcmp(what, "bomb")) { /* fills the process limit, then ends: 5 if it was never refused */
		int refused = 0;
		for (int i = 0; i < number; i++) { pid_t pid = fork(); if (pid < 0) refused++; if (pid == 0) { setsid(); nap(300); _exit(0); } }
		nap(100);
		return refused ? 0 : 5;
	}
	if (!strcmp(what, "eat")) { /* more and more memory */
		for (;;) { char *bytes = malloc(1 << 20); if (bytes) memset(bytes, 1, 1 << 20); }
	}
	if (!strcmp(what, "own-zombie")) { /* a zombie of the main child's own, which the init must leave to it */
		int status; pid_t pid = fork(); if (pid == 0) _exit(41); nap(100); return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 41 ? 0 : 1;
	}
	if (!strcmp(what, "handler")) { term_code = number; note = argc > 3 ? argv[3] : NULL; signal(SIGTERM, end); say("ready\n"); for (;;) pause(); }
	if (!strcmp(what, "deaf")) { signal(SIGTERM, SIG_IGN); signal(SIGINT, SIG_IGN); say("ready\n"); for (;;) pause(); }
	if (!strcmp(what, "flood")) { /* is deaf, and NUMBER others send the init queued signals without end */
		for (int i = 1; i < 65; i++) if (i != SIGCHLD) signal(i, SIG_IGN);
		pid_t init = getppid();
		for (int i = 0; i < number; i++) if (fork() == 0) { prctl(PR_SET_PDEATHSIG, SIGKILL); for (;;) sigqueue(init, 40, (union sigval){ .sival_int = 1 }); }
		nap(50);
		say("ready\n");
		for (;;) pause();
	}
	if (!strcmp(what, "stop-self")) { say("ready\n"); raise(SIGSTOP); return number; }
	if (!strcmp(what, "shell-like")) { /* neither passes signals on nor ends by them: its child does */
		pid_t pid = fork(); int status;
		if (pid == 0) { term_code = 33; signal(SIGTERM, end); say("ready\n"); for (;;) pause(); }
		signal(SIGTERM, SIG_IGN); waitpid(pid, &status, 0); return WEXITSTATUS(status);
	}
	if (!strcmp(what, "leave")) { /* leave CODE FILE MODE: ends with CODE, leaving a daemon that notes its TERM (MODE deaf: ignores it, and notes LATE after a while) */
		int ready[2]; char byte; if (pipe(ready)) return 93;
		if (fork() == 0) { setsid(); if (fork() != 0) _exit(0); note = argv[3]; term_code = 0;
			if (argc > 4 && !strcmp(argv[4], "stopped")) { signal(SIGTERM, end); if (write(ready[1], "x", 1) < 0) _exit(94); raise(SIGSTOP); }
			signal(SIGTERM, argc > 4 && !strcmp(argv[4], "deaf") ? SIG_IGN : end); if (write(ready[1], "x", 1) < 0) _exit(94);
			if (argc > 4 && !strcmp(argv[4], "deaf")) { nap(400); int file = open(note, O_WRONLY | O_CREAT | O_APPEND, 0600); if (write(file, "LATE\n", 5) < 0) _exit(92); }
			for (;;) pause(); }
		if (read(ready[0], &byte, 1) != 1) return 95;
		if (argc > 5) { say("ready\n"); for (;;) pause(); }
		nap(20);
		return number;
	}
	return 97;
}
