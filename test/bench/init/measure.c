/* Measures container inits side by side, each as PID 1 of a PID namespace of its own; the inits take turns.

   measure METRIC ROUNDS COUNT COMMAND NAME=INIT...
     COMMAND  the program command.c                        INIT  words before the command, "" for none at all
     startup       COUNT runs of `true` a round: microseconds of clone, exec and wait
     roundtrip     COUNT signals a round: microseconds from kill(2) to the answer of the command
     reaping       COUNT orphans a round: nanoseconds of the init's processor time an orphan, and of wall time
     memory        COUNT idle ones a round: KiB of RSS and private dirty memory, and charged to a memory control group each
     wakeups       COUNT seconds, idle: context switches a second
     instructions  user instructions from exec to exit, by single steps
     calls         system calls of the init and its child before the command's exec
   Prints `NAME QUANTITY MEDIAN MINIMUM SAMPLES`, separated by tabs. Times are taken on one processor under SCHED_FIFO where
   that is allowed, so that the rest of the machine is not measured too. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_INITS = 16, MOST_WORDS = 32, MOST_INSTANCES = 256 };

struct subject { const char *name; char *words[MOST_WORDS]; int length; };
struct samples { double *values; int count; };

static struct subject subjects[MOST_INITS];
static int subject_count;
static char *command;
static int null_device;

static void fail(const char *what) { perror(what); exit(1); }

static uint64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void nap(long milliseconds)
{
	nanosleep(&(struct timespec){ milliseconds / 1000, milliseconds % 1000 * 1000000 }, NULL);
}

/* The command line of an init with the command and its arguments behind it; the result is valid until the next call. */
static char **line(const struct subject *subject, char *const *arguments)
{
	static char *words[MOST_WORDS * 2];
	int length = 0;
	for (int i = 0; i < subject->length; i++)
		words[length++] = subject->words[i];
	words[length++] = command;
	while (*arguments)
		words[length++] = *arguments++;
	words[length] = NULL;
	return words;
}

static char stack[65536] __attribute__((aligned(64)));

static int execute(void *words)
{
	dup2(null_device, 0);
	dup2(null_device, 1);
	dup2(null_device, 2);
	execv(*(char **)words, words);
	_exit(98);
}

/* As vfork: starting costs the same for every init, however much memory this program has. */
static pid_t start(char **words)
{
	pid_t pid = clone(execute, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_NEWPID | SIGCHLD, words);
	if (pid < 0)
		fail("clone");
	return pid;
}

static void finish(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void use_one_processor(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((int)sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	sched_setaffinity(0, sizeof set, &set);
	sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 5 });
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return a < b ? -1 : a > b;
}

static void add(struct samples *samples, double value)
{
	if (samples->count % 1024 == 0)
		samples->values = realloc(samples->values, sizeof(double) * (size_t)(samples->count + 1024));
	samples->values[samples->count++] = value;
}

static void print(const char *name, const char *quantity, struct samples *samples)
{
	if (samples->count == 0)
		return;
	qsort(samples->values, (size_t)samples->count, sizeof(double), compare);
	printf("%s\t%s\t%.3f\t%.3f\t%d\n", name, quantity, samples->values[samples->count / 2], samples->values[0], samples->count);
}

static void print_all(const char *quantity, struct samples *samples)
{
	for (int i = 0; i < subject_count; i++)
		print(subjects[i].name, quantity, samples + i);
}

/* A number of a file of /proc: the one behind `key`, or the first when there is none. */
static double number_in(pid_t pid, const char *file, const char *key)
{
	char path[64], text[512];
	double value = -1;
	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	FILE *stream = fopen(path, "r");
	while (stream && fgets(text, sizeof text, stream)) {
		size_t length = key ? strlen(key) : 0;
		if (key && (strncmp(text, key, length) || text[length] != ':'))
			continue;
		value = atof(text + length + (key != NULL));
		break;
	}
	if (stream)
		fclose(stream);
	return value;
}

static int answer(int descriptor, int milliseconds)
{
	struct pollfd wait = { descriptor, POLLIN, 0 };
	char byte;
	return poll(&wait, 1, milliseconds) == 1 && read(descriptor, &byte, 1) == 1 ? byte : -1;
}

/* A pipe with one end under a number that the command inherits. */
static void make_pipe(int ends[2], int inherited)
{
	if (pipe2(ends, O_CLOEXEC) != 0)
		fail("pipe");
	int kept = fcntl(ends[inherited], F_DUPFD, 20);
	close(ends[inherited]);
	ends[inherited] = kept;
}

static void startup(int rounds, int count)
{
	struct samples samples[MOST_INITS] = { 0 };
	char *arguments[] = { "true", NULL };
	use_one_processor();
	for (int round = 0; round < rounds; round++)
		for (int turn = 0; turn < subject_count; turn++) {
			int i = (turn + round) % subject_count, status;
			char **words = line(subjects + i, arguments);
			for (int run = -1; run < count; run++) { /* the first one warms up */
				uint64_t before = now();
				pid_t pid = start(words);
				waitpid(pid, &status, 0);
				if (run >= 0)
					add(samples + i, (double)(now() - before) / 1e3);
				if (status != 0) {
					fprintf(stderr, "%s: status %x\n", subjects[i].name, (unsigned)status);
					exit(1);
				}
			}
		}
	print_all("startup", samples);
}

static void roundtrip(int rounds, int count)
{
	struct samples samples[MOST_INITS] = { 0 };
	pid_t pids[MOST_INITS];
	int answers[MOST_INITS];
	use_one_processor();
	for (int i = 0; i < subject_count; i++) {
		int ends[2];
		char number[16];
		make_pipe(ends, 1);
		snprintf(number, sizeof number, "%d", ends[1]);
		pids[i] = start(line(subjects + i, (char *[]){ "pong", number, NULL }));
		close(ends[1]);
		answers[i] = ends[0];
		if (answer(ends[0], 3000) != 'r') {
			fprintf(stderr, "%s: not ready\n", subjects[i].name);
			exit(1);
		}
	}
	nap(300);
	for (int round = 0; round < rounds; round++)
		for (int turn = 0; turn < subject_count; turn++) {
			int i = (turn + round) % subject_count;
			for (int signal = 0; signal < count; signal++) {
				uint64_t before = now();
				kill(pids[i], SIGUSR1);
				if (answer(answers[i], 1000) != 'p') {
					fprintf(stderr, "%s: a signal was lost\n", subjects[i].name);
					exit(1);
				}
				add(samples + i, (double)(now() - before) / 1e3);
			}
		}
	for (int i = 0; i < subject_count; i++)
		finish(pids[i]);
	print_all("roundtrip", samples);
}

static void reaping(int rounds, int count)
{
	struct samples cost[MOST_INITS] = { 0 }, wall[MOST_INITS] = { 0 };
	for (int round = 0; round < rounds; round++)
		for (int turn = 0; turn < subject_count; turn++) {
			int i = (turn + round) % subject_count, in[2], out[2];
			char orphans[16], from[16], to[16];
			uint64_t times[2];
			make_pipe(in, 0);
			make_pipe(out, 1);
			snprintf(orphans, sizeof orphans, "%d", count);
			snprintf(from, sizeof from, "%d", in[0]);
			snprintf(to, sizeof to, "%d", out[1]);
			pid_t pid = start(line(subjects + i, (char *[]){ "orphans", orphans, from, to, NULL }));
			close(in[0]);
			close(out[1]);
			if (answer(out[0], 3000) != 'r')
				fail(subjects[i].name);
			nap(100);
			double before = number_in(pid, "schedstat", NULL);
			if (write(in[1], "g", 1) != 1)
				fail("write");
			struct pollfd wait = { out[0], POLLIN, 0 };
			if (poll(&wait, 1, 120000) != 1 || read(out[0], times, sizeof times) != sizeof times) {
				fprintf(stderr, "%s: orphans are left\n", subjects[i].name);
				exit(1);
			}
			add(cost + i, (number_in(pid, "schedstat", NULL) - before) / count);
			add(wall + i, (double)times[1] / count);
			finish(pid);
			close(in[1]);
			close(out[0]);
		}
	print_all("reaping", cost);
	print_all("reaping-wall", wall);
}

static void write_text(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	if (file >= 0) {
		if (write(file, text, strlen(text)) < 0)
			errno = 0; /* some hierarchies have no such file, or find nothing to give back */
		close(file);
	}
}

static double read_number(const char *path)
{
	char text[64] = "";
	FILE *file = fopen(path, "r");
	if (!file)
		return -1;
	if (!fgets(text, sizeof text, file))
		text[0] = 0;
	fclose(file);
	return atof(text);
}

static void memory(int rounds, int count)
{
	struct samples rss[MOST_INITS] = { 0 }, dirty[MOST_INITS] = { 0 }, group[MOST_INITS] = { 0 };
	static pid_t pids[MOST_INSTANCES];
	const char *old = "/sys/fs/cgroup/memory", *root = access(old, W_OK) == 0 ? old : "/sys/fs/cgroup";
	char folder[128], procs[192], usage[192], reclaim[192];
	if (count > MOST_INSTANCES)
		count = MOST_INSTANCES;
	snprintf(folder, sizeof folder, "%s/initwrap-bench-%d", root, getpid());
	snprintf(procs, sizeof procs, "%s/cgroup.procs", folder);
	snprintf(usage, sizeof usage, "%s/%s", folder, root == old ? "memory.usage_in_bytes" : "memory.current");
	snprintf(reclaim, sizeof reclaim, "%s/%s", folder, root == old ? "memory.force_empty" : "memory.reclaim");
	if (root != old)
		write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	for (int round = 0; round < rounds; round++)
		for (int turn = 0; turn < subject_count; turn++) {
			int i = (turn + round) % subject_count;
			char **words = line(subjects + i, (char *[]){ "pause", NULL });
			/* Once outside the group, so that the files' pages are nobody's. */
			pid_t first = start(words);
			nap(100);
			finish(first);
			int charged = mkdir(folder, 0755) == 0 && access(usage, R_OK) == 0;
			for (int run = 0; run < count; run++) {
				pids[run] = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
				if (pids[run] == 0) {
					write_text(procs, "0");
					execute(words);
				}
			}
			nap(1000);
			for (int again = 0; again < 2; again++) {
				write_text(reclaim, root == old ? "0" : "64M");
				nap(50);
			}
			double bytes = charged ? read_number(usage) : -1;
			if (bytes > 0)
				add(group + i, bytes / count / 1024);
			for (int run = 0; run < count; run++) {
				add(rss + i, number_in(pids[run], "smaps_rollup", "Rss"));
				add(dirty + i, number_in(pids[run], "smaps_rollup", "Private_Dirty"));
			}
			for (int run = 0; run < count; run++)
				finish(pids[run]);
			for (int tries = 0; tries < 50 && rmdir(folder) != 0; tries++)
				nap(100);
		}
	print_all("rss", rss);
	print_all("dirty", dirty);
	print_all("cgroup", group);
}

static void wakeups(int rounds, int seconds)
{
	struct samples samples[MOST_INITS] = { 0 };
	pid_t pids[MOST_INITS];
	double before[MOST_INITS];
	for (int i = 0; i < subject_count; i++)
		pids[i] = start(line(subjects + i, (char *[]){ "pause", NULL }));
	nap(1000);
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < subject_count; i++)
			before[i] = number_in(pids[i], "status", "voluntary_ctxt_switches");
		nap(seconds * 1000L);
		for (int i = 0; i < subject_count; i++)
			add(samples + i, (number_in(pids[i], "status", "voluntary_ctxt_switches") - before[i]) / seconds);
	}
	for (int i = 0; i < subject_count; i++)
		finish(pids[i]);
	print_all("wakeups", samples);
}

/* Starts an init that stops at its own exec, for ptrace(2). */
static pid_t start_traced(char **words, long options)
{
	int status;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		/* PID 1 ignores its own STOP: the tracer sees it all the same. */
		execute(words);
	}
	waitpid(pid, &status, __WALL);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL | options);
	ptrace(PTRACE_CONT, pid, 0, 0);
	waitpid(pid, &status, __WALL);
	if (status >> 8 != (SIGTRAP | PTRACE_EVENT_EXEC << 8))
		fail("exec");
	return pid;
}

static void instructions(int rounds)
{
	struct samples samples[MOST_INITS] = { 0 };
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < subject_count; i++) {
			pid_t pid = start_traced(line(subjects + i, (char *[]){ "true", NULL }), 0);
			double steps = 0;
			int status, signal = 0;
			while (ptrace(PTRACE_SINGLESTEP, pid, 0, signal) == 0 && waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
				signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
				steps++;
			}
			add(samples + i, steps);
		}
	print_all("instructions", samples);
}

static void calls(int rounds)
{
	struct samples samples[MOST_INITS] = { 0 };
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < subject_count; i++) {
			pid_t init = start_traced(line(subjects + i, (char *[]){ "true", NULL }),
						  PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE);
			int status, total = 0, done = 0;
			pid_t pid = init;
			ptrace(PTRACE_SYSCALL, init, 0, 0);
			while (!done && (pid = waitpid(-1, &status, __WALL)) > 0) {
				int signal = 0;
				if (!WIFSTOPPED(status))
					continue;
				if (status >> 8 == (SIGTRAP | 0x80)) {
					struct { uint8_t operation; uint8_t rest[87]; } information = { 0 };
					ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof information, &information);
					total += information.operation == PTRACE_SYSCALL_INFO_ENTRY;
				} else if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
					done = pid != init;
				} else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP && WSTOPSIG(status) != SIGTRAP) {
					signal = WSTOPSIG(status);
				}
				ptrace(PTRACE_SYSCALL, pid, 0, signal);
			}
			kill(init, SIGKILL);
			while (waitpid(-1, &status, __WALL) > 0)
				;
			add(samples + i, total - 1); /* without the exec itself */
		}
	print_all("calls", samples);
}

int main(int argc, char **argv)
{
	if (argc < 6)
		return 2;
	const char *metric = argv[1];
	int rounds = atoi(argv[2]), count = atoi(argv[3]);
	command = argv[4];
	null_device = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 5; i < argc && subject_count < MOST_INITS; i++) {
		struct subject *subject = subjects + subject_count++;
		char *words = strchr(argv[i], '=');
		if (!words)
			return 2;
		*words++ = 0;
		subject->name = argv[i];
		for (char *word = strtok(words, " "); word && subject->length < MOST_WORDS; word = strtok(NULL, " "))
			subject->words[subject->length++] = word;
	}
	if (!strcmp(metric, "startup")) startup(rounds, count);
	else if (!strcmp(metric, "roundtrip")) roundtrip(rounds, count);
	else if (!strcmp(metric, "reaping")) reaping(rounds, count);
	else if (!strcmp(metric, "memory")) memory(rounds, count);
	else if (!strcmp(metric, "wakeups")) wakeups(rounds, count);
	else if (!strcmp(metric, "instructions")) instructions(rounds);
	else if (!strcmp(metric, "calls")) calls(rounds);
	else return 2;
	return 0;
}
