/* A child notes its own pid, in memory that it shares with its parent, in the handler that fork(3) calls in the child
   before it returns there. The parent could note it only after fork has returned, which happens in code that is not ours.
   A slot is free when it is 0; the table is large enough for the children between two looks of the reaper, and what
   finds no room is protected by the reaper's other rules. */
#define _GNU_SOURCE
#include "orphans.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"

enum { SLOTS = 8192 };

static atomic_int *slots;

/* glibc has the first, musl the second; neither may keep the file from being loaded. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *object)
	__attribute__((weak));
extern int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) __attribute__((weak));

static void note_myself(void)
{
	int pid = (int)syscall(SYS_getpid);
	for (int i = 0; i < SLOTS; i++) {
		int free = 0;
		if (atomic_compare_exchange_strong(&slots[i], &free, pid))
			return;
	}
}

bool forks_watch(void)
{
	if (slots)
		return true;
	void *memory = kernel_shared_memory(SLOTS * sizeof *slots);
	if (!memory)
		return false;
	slots = memory;
	if (__register_atfork)
		return __register_atfork(NULL, NULL, note_myself, NULL) == 0;
	return pthread_atfork && pthread_atfork(NULL, NULL, note_myself) == 0;
}

size_t forks_take(int *pids, size_t room)
{
	size_t count = 0;
	for (int i = 0; i < SLOTS && count < room; i++)
		if (atomic_load_explicit(&slots[i], memory_order_relaxed))
			pids[count++] = atomic_exchange(&slots[i], 0);
	return count;
}

static bool has(int pid, int options)
{
	siginfo_t info;
	info.si_pid = 0;
	int result;
	do
		result = waitid(P_PID, (id_t)pid, &info, options | WEXITED | WNOHANG | __WALL);
	while (result < 0 && errno == EINTR);
	return result == 0 && (info.si_pid == pid || !(options & __WNOTHREAD));
}

bool orphan_is_dead(int pid)
{
	return has(pid, WNOWAIT | __WNOTHREAD);
}

bool is_child(int pid)
{
	return has(pid, WNOWAIT);
}

bool orphan_collect(int pid)
{
	return has(pid, __WNOTHREAD);
}

bool become_subreaper(void)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
}
