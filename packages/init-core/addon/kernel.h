/* The calls that the C library does not lend as they are: it keeps two signals to itself, which an init forwards too. */
#ifndef INITWRAP_ADDON_KERNEL_H
#define INITWRAP_ADDON_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum { KERNEL_SIGNALS = 64 };

/* The kernel's struct sigaction of the 64-bit ABIs, restorer included. */
struct kernel_action {
	uintptr_t handler, flags, restorer;
	uint64_t mask;
};

/* Sets and reads the action of a signal; either may be NULL. */
void kernel_action(int signal, const struct kernel_action *set, struct kernel_action *before);

/* Sets the calling thread's mask and returns the one before. */
uint64_t kernel_mask(uint64_t mask);

/* open(2), fcntl(2), mmap(2): the C library's have names that differ between glibc and musl. */
int kernel_open(const char *path, int flags);
int kernel_fcntl(int file, int command, int value);

/* Zeroed memory that stays shared with children, or NULL. */
void *kernel_shared_memory(size_t size);

/* The calling thread's id, which for the main thread is the process's. */
int kernel_thread(void);

#endif
