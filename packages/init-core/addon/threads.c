#define _GNU_SOURCE
#include "threads.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"

enum { THREADS_MAX = 1024, LOOKS_MAX = 50000, LOOK_NANOSECONDS = 100000, QUIET_LOOKS = 20 };

/* One thread. `still` is set by itself. `closed`: it blocked every signal when it was asked to stop, so that it may not have
   noticed; and for how many looks on end it has slept like that. `sent`: the signals that it was sent. */
struct thread {
	int id;
	atomic_bool still;
	bool closed;
	int quiet;
	uint64_t sent;
};

static struct thread threads[THREADS_MAX];
static atomic_int thread_count;

/* The number of the current stop, 0 when there is none. A new number for each: a thread that has not yet noticed the end
   of the last one must not take the next for it. */
static atomic_int stop_number;
static int last_stop_number;

static uint64_t signals_used;
static struct kernel_action actions_before[KERNEL_SIGNALS + 1];

static void stand_still(int signal, siginfo_t *info, void *context)
{
	int error = errno;
	int mine = atomic_load(&stop_number);
	int self = kernel_thread();
	(void)signal, (void)info, (void)context;
	for (int i = 0; mine && i < atomic_load(&thread_count); i++)
		if (threads[i].id == self)
			atomic_store(&threads[i].still, true);
	while (mine && atomic_load(&stop_number) == mine)
		syscall(SYS_futex, &stop_number, FUTEX_WAIT_PRIVATE, mine, NULL, NULL, 0);
	errno = error;
}

/* The action as the C library installs it, for the address that a handler returns to is its secret; then with every
   signal blocked, its own two included. */
static struct kernel_action make_action(void)
{
	struct sigaction action, before;
	struct kernel_action result;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = stand_still;
	action.sa_flags = SA_SIGINFO | SA_RESTART;
	sigaction(SIGRTMAX, &action, &before);
	kernel_action(SIGRTMAX, NULL, &result);
	sigaction(SIGRTMAX, &before, NULL);
	result.mask = ~(uint64_t)0;
	return result;
}

static size_t add_number(char *to, int value)
{
	char digits[12];
	size_t count = 0, length = 0;
	do
		digits[count++] = (char)('0' + value % 10);
	while (value /= 10);
	while (count)
		to[length++] = digits[--count];
	return length;
}

/* A signal that the thread does not block, or 0; and whether it sleeps or has ended. */
static int deliverable_signal(int thread, bool *sleeps)
{
	char path[64] = "/proc/self/task/", text[4096];
	size_t length = strlen(path);
	length += add_number(path + length, thread);
	strcpy(path + length, "/status");
	int file = kernel_open(path, O_RDONLY);
	*sleeps = true;
	if (file < 0)
		return 0;
	ssize_t size = read(file, text, sizeof text - 1);
	close(file);
	text[size > 0 ? size : 0] = 0;
	*sleeps = !strstr(text, "State:\tR");
	const char *at = strstr(text, "SigBlk:");
	uint64_t blocked = 0;
	for (at = at ? at + strlen("SigBlk:") : ""; *at == '\t' || *at == ' '; at++)
		;
	for (; (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f'); at++)
		blocked = blocked << 4 | (uint64_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
	/* From the highest on: the first ones are in use. */
	for (int signal = KERNEL_SIGNALS; signal > 0; signal--)
		if (signal != SIGKILL && signal != SIGSTOP && !(blocked >> (signal - 1) & 1))
			return signal;
	return 0;
}

static void ask_to_stop(struct thread *thread, int signal, const struct kernel_action *action)
{
	uint64_t bit = (uint64_t)1 << (signal - 1);
	if (!(signals_used & bit)) {
		kernel_action(signal, action, &actions_before[signal]);
		signals_used |= bit;
	}
	thread->sent |= bit;
	syscall(SYS_tgkill, getpid(), thread->id, signal);
}

static struct thread *find(int id)
{
	int count = atomic_load(&thread_count);
	for (int i = 0; i < count; i++)
		if (threads[i].id == id)
			return &threads[i];
	return NULL;
}

/* Asks the thread to stop if it is new; whether it stands still, or sleeps and would stop before it could take a signal.

   A thread that blocks everything is either one for good, which takes no signal and is none of our business; or it is
   just starting another thread, or being started, and will run on. The signal stays pending for it, and the kernel
   delivers a thread's own signals before the process's. But until then it runs, and what it starts runs as well: so it
   is waited for unless it sleeps for some time. */
static bool stop(int id, const struct kernel_action *action, bool *too_many)
{
	struct thread *thread = find(id);
	bool sleeps;
	if (thread && (!thread->closed || atomic_load(&thread->still)))
		return atomic_load(&thread->still);
	int count = atomic_load(&thread_count);
	if (!thread && count == THREADS_MAX) {
		*too_many = true;
		return false;
	}
	int signal = deliverable_signal(id, &sleeps);
	if (!thread) {
		thread = &threads[count];
		thread->id = id;
		atomic_store(&thread->still, false);
		thread->closed = !signal;
		thread->quiet = 0;
		thread->sent = 0;
		atomic_store(&thread_count, count + 1);
		ask_to_stop(thread, signal ? signal : KERNEL_SIGNALS, action);
		return false;
	}
	if (signal && signal != KERNEL_SIGNALS) {
		/* It blocks less than it did, and still the signal that it was sent. */
		thread->closed = false;
		ask_to_stop(thread, signal, action);
		return false;
	}
	thread->quiet = sleeps && !signal ? thread->quiet + 1 : 0;
	return thread->quiet >= QUIET_LOOKS;
}

/* One look at all threads; whether each was seen to stand still. */
static bool stop_those_there_are(const struct kernel_action *action, bool *failed)
{
	struct entry {
		uint64_t inode, offset;
		uint16_t size;
		uint8_t type;
		char name[];
	};
	_Alignas(8) char entries[8192];
	bool all = true;
	long size;
	/* Not opendir(3): it allocates. */
	int directory = kernel_open("/proc/self/task", O_RDONLY | O_DIRECTORY);
	if (directory < 0) {
		*failed = true;
		return false;
	}
	while ((size = syscall(SYS_getdents64, directory, entries, sizeof entries)) > 0)
		for (char *at = entries; at < entries + size; at += ((struct entry *)at)->size) {
			int thread = 0;
			for (const char *digit = ((struct entry *)at)->name; *digit >= '0' && *digit <= '9'; digit++)
				thread = thread * 10 + (*digit - '0');
			if (thread && thread != kernel_thread() && !stop(thread, action, failed))
				all = false;
		}
	close(directory);
	return all;
}

bool threads_stop(void)
{
	struct kernel_action action = make_action();
	bool failed = false;
	int clean = 0;
	signals_used = 0;
	atomic_store(&thread_count, 0);
	last_stop_number = last_stop_number == INT32_MAX ? 1 : last_stop_number + 1;
	atomic_store(&stop_number, last_stop_number);
	/* A thread that was still running at the beginning of a look may have started another behind the look's back: the
	   look after a clean one settles it. */
	for (int looks = 0; clean < 2 && !failed && looks < LOOKS_MAX; looks++) {
		clean = stop_those_there_are(&action, &failed) ? clean + 1 : 0;
		struct timespec pause = { 0, LOOK_NANOSECONDS };
		if (!clean)
			nanosleep(&pause, NULL);
	}
	if (clean == 2)
		return true;
	threads_go_on();
	return false;
}

/* The signals that were sent and may yet be delivered: to threads that stood still by one of several, or not at all. */
static uint64_t signals_left(void)
{
	uint64_t left = 0;
	for (int i = 0; i < atomic_load(&thread_count); i++) {
		const struct thread *thread = &threads[i];
		bool one = !(thread->sent & (thread->sent - 1));
		bool gone = syscall(SYS_tgkill, getpid(), thread->id, 0) < 0;
		if (!gone && !(one && atomic_load(&thread->still)))
			left |= thread->sent;
	}
	return left;
}

void threads_go_on(void)
{
	/* Those must find the handler, which then returns at once. */
	uint64_t restorable = signals_used & ~signals_left();
	for (int signal = 1; signal <= KERNEL_SIGNALS; signal++)
		if (restorable >> (signal - 1) & 1)
			kernel_action(signal, &actions_before[signal], NULL);
	atomic_store(&stop_number, 0);
	syscall(SYS_futex, &stop_number, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}
