#define _GNU_SOURCE
#include "kernel.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void kernel_action(int signal, const struct kernel_action *set, struct kernel_action *before)
{
	syscall(SYS_rt_sigaction, signal, set, before, sizeof(uint64_t));
}

uint64_t kernel_mask(uint64_t mask)
{
	uint64_t before = 0;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before, sizeof mask);
	return before;
}

int kernel_open(const char *path, int flags)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
}

int kernel_fcntl(int file, int command, int value)
{
	return (int)syscall(SYS_fcntl, file, command, value);
}

void *kernel_shared_memory(size_t size)
{
	void *memory = (void *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0L);
	return memory == MAP_FAILED ? NULL : memory;
}

int kernel_thread(void)
{
	return (int)syscall(SYS_gettid);
}
