/* What the measured inits run; the first argument says what. Descriptors are given by number.
   command true | pause | pong FD | orphans COUNT IN OUT */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void await(int descriptor)
{
	char byte;
	while (read(descriptor, &byte, 1) < 0 && errno == EINTR)
		;
}

/* Answers each SIGUSR1 by a byte. */
static int pong(int out)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (const char *byte = "r"; write(out, byte, 1) == 1; byte = "p")
		while (sigwaitinfo(&set, NULL) < 0)
			;
	return 1;
}

/* Makes orphans that die at once, each by a parent that is waited for, and says when they have been made and when the
   init has reaped them all: in nanoseconds from the start. */
static int orphans(int count, int in, int out)
{
	volatile pid_t *orphan = mmap(NULL, sizeof *orphan * (size_t)count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t times[2], start;
	if (orphan == MAP_FAILED || write(out, "r", 1) != 1)
		return 1;
	await(in);
	start = now();
	for (int i = 0; i < count; i++) {
		pid_t parent = fork();
		if (parent == 0) {
			pid_t pid = fork();
			if (pid == 0)
				_exit(0);
			orphan[i] = pid;
			_exit(0);
		}
		if (parent < 0 || waitpid(parent, NULL, 0) != parent)
			return 2;
	}
	times[0] = now() - start;
	for (int i = 0; i < count; i++)
		while (orphan[i] > 0 && kill(orphan[i], 0) == 0)
			nanosleep(&(struct timespec){ 0, 20000 }, NULL);
	times[1] = now() - start;
	if (write(out, times, sizeof times) != sizeof times)
		return 3;
	await(in);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	if (!strcmp(what, "true")) return 0;
	if (!strcmp(what, "pause")) for (;;) pause();
	if (!strcmp(what, "pong") && argc > 2) return pong(atoi(argv[2]));
	if (!strcmp(what, "orphans") && argc > 4) return orphans(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	return 97;
}
