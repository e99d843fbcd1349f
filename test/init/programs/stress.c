/* Sends an init a great many signals and gives it a great many orphans at the same time, and counts.

   stress SIGNALS ORPHANS INIT [OPTIONS...] --
     runs INIT as PID 1 of a new PID namespace with this program as its command. Prints one line of JSON when all of them
     have arrived and the init has nothing left to reap: what was counted, and the init's memory before and after.

   The signals are queued real-time ones, each with its number as its value. A bounded number is under way at a time: the
   kernel's queue is finite, and a signal that it refuses was never sent. The orphans are a chain: each makes the next and
   ends, so that the next becomes the init's child. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NUMBER = 40, UNDER_WAY = 256, SHARED = 100 };

struct counters { volatile long ready, arrived, in_order, orphans, wanted_orphans, over, zombies; };

static struct counters *shared(void)
{
	return mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE, MAP_SHARED, SHARED, 0);
}

static void nap(long microseconds) { nanosleep(&(struct timespec){ 0, microseconds * 1000 }, NULL); }

/* Each of the chain counts itself, and starts the next unless it is the last. */
static void chain(struct counters *counters)
{
	while (__sync_add_and_fetch(&counters->orphans, 1) < counters->wanted_orphans) {
		pid_t pid;
		while ((pid = fork()) < 0)
			nap(1000);
		if (pid > 0)
			_exit(0);
	}
	_exit(0);
}

/* Below the init. Ends when it is told to; until then counts the signals and makes the first orphan. */
static int command(void)
{
	struct counters *counters = shared();
	sigset_t set;
	siginfo_t information;
	sigemptyset(&set);
	sigaddset(&set, NUMBER);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (counters->wanted_orphans > 0) {
		pid_t pid = fork();
		if (pid == 0) {
			if (fork() == 0)
				chain(counters);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	counters->ready = 1;
	while (!counters->over) {
		if (sigtimedwait(&set, &information, &(struct timespec){ 0, 10000000 }) != NUMBER)
			continue;
		if (information.si_value.sival_int == (int)counters->arrived)
			counters->in_order++;
		counters->arrived++;
	}
	return 0;
}

/* Number behind a key of a file of /proc, in its own unit. */
static long number_in(pid_t pid, const char *file, const char *key)
{
	char path[64], text[256];
	long value = -1;
	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	FILE *stream = fopen(path, "r");
	while (stream && fgets(text, sizeof text, stream))
		if (!strncmp(text, key, strlen(key)) && text[strlen(key)] == ':')
			value = atol(text + strlen(key) + 1);
	if (stream)
		fclose(stream);
	return value;
}

/* How many children the init has; zombies are among them. */
static int children(pid_t init)
{
	char path[64], text[4096];
	int count = 0;
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", init, init);
	FILE *stream = fopen(path, "r");
	if (!stream)
		return -1;
	for (size_t length; (length = fread(text, 1, sizeof text, stream)) > 0;)
		for (size_t i = 0; i < length; i++)
			count += text[i] == ' ';
	fclose(stream);
	return count;
}

static double seconds(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "command"))
		return command();
	if (argc < 5)
		return 99;
	long signals = atol(argv[1]), sent = 0, refused = 0, most = 0;
	int memory = memfd_create("counters", 0), status;
	char self[4096];
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
	if (memory < 0 || length < 0 || ftruncate(memory, 4096) != 0 || dup2(memory, SHARED) != SHARED) { perror("stress"); return 98; }
	self[length] = 0;
	close(memory);
	struct counters *counters = shared();
	counters->wanted_orphans = atol(argv[2]);

	char **words = calloc((size_t)argc + 3, sizeof *words);
	memcpy(words, argv + 3, sizeof *words * (size_t)(argc - 3));
	words[argc - 3] = self;
	words[argc - 2] = "command";
	pid_t init = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (init == 0) {
		execv(words[0], words);
		perror(words[0]);
		_exit(98);
	}
	if (init < 0) { perror("clone"); return 98; }
	while (!counters->ready)
		if (waitpid(init, &status, WNOHANG) == init)
			return 97;
		else
			nap(1000);

	long rss = number_in(init, "smaps_rollup", "Rss"), dirty = number_in(init, "smaps_rollup", "Private_Dirty");
	double start = seconds(), progress = start;
	long last = 0;
	while (counters->arrived < signals || counters->orphans < counters->wanted_orphans || children(init) > 1) {
		if (waitpid(init, &status, WNOHANG) == init) {
			fprintf(stderr, "stress: the init ended: %x\n", (unsigned)status);
			return 1;
		}
		if (counters->arrived + counters->orphans != last) {
			last = counters->arrived + counters->orphans;
			progress = seconds();
		} else if (seconds() - progress > 5) {
			break; /* what has not come by now is lost */
		}
		if (sent >= signals || sent - counters->arrived >= UNDER_WAY) {
			int left = children(init);
			if (left > most)
				most = left;
			nap(100);
			continue;
		}
		siginfo_t information = { .si_signo = NUMBER, .si_code = SI_QUEUE };
		information.si_pid = getpid();
		information.si_value.sival_int = (int)sent;
		if (syscall(SYS_rt_sigqueueinfo, init, NUMBER, &information) == 0)
			sent++;
		else if (errno == EAGAIN)
			refused++;
		else
			return 96;
	}
	double taken = seconds() - start;
	int left = children(init);
	long rss_after = number_in(init, "smaps_rollup", "Rss"), dirty_after = number_in(init, "smaps_rollup", "Private_Dirty");
	counters->over = 1;
	waitpid(init, &status, 0);
	printf("{\"sent\":%ld,\"arrived\":%ld,\"inOrder\":%ld,\"orphans\":%ld,\"childrenLeft\":%d,\"mostChildren\":%ld,"
	       "\"rssBefore\":%ld,\"rssAfter\":%ld,\"dirtyBefore\":%ld,\"dirtyAfter\":%ld,\"seconds\":%.1f,\"exitCode\":%d}\n",
	       sent, counters->arrived, counters->in_order, counters->orphans, left - 1, most, rss, rss_after, dirty, dirty_after,
	       taken, WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status));
	return 0;
}
