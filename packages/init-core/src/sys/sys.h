/* The system calls the init makes, and the constants they take. What differs between architectures comes from
   <arch>/arch.h, found through the include path; the rest of the program names no register and no number.

   There is no errno: a call returns the kernel's value, -4095..-1 being errors. */
#ifndef INITWRAP_SYS_H
#define INITWRAP_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../signals.h"
#include "arch.h"

enum {
	E_NOENT = 2, E_SRCH = 3, E_INTR = 4, E_NOEXEC = 8, E_CHILD = 10, E_ACCES = 13, E_NODEV = 19, E_NOTDIR = 20,
	E_NAMETOOLONG = ERROR_NAME_TOO_LONG, E_LOOP = ERROR_LOOP
};

enum { AT_CWD = -100, OPEN_READ = 0, OPEN_WRITE = 1, OPEN_READ_WRITE = 2, OPEN_PATH = 010000000 };
enum { WAIT_NO_HANG = 1, WAIT_STOPPED = 2, WAIT_NO_REAP = 0x01000000, WAIT_ALL_KINDS = 0x40000000, WAIT_FOR_PID = 1 };
enum { PR_PARENT_DEATH_SIGNAL = 1, PR_BECOME_SUBREAPER = 36, PR_IS_SUBREAPER = 37 };
enum { CODE_USER = 0, CODE_TKILL = -6 };
enum { CLONE_SHARE_AND_WAIT = 0x4100 /* CLONE_VM | CLONE_VFORK */ };
enum { PIDFD_WHOLE_GROUP = 4 };

/* The kernel's sigset_t: 64 signals, on MIPS 128. */
struct signal_set {
	unsigned long bits[(SIGNAL_LAST + 1) / (8 * sizeof(unsigned long))];
};

/* siginfo_t; the kernel always fills 128 bytes. */
struct signal_info {
	int32_t words[32];
};

static inline int32_t signal_code(const struct signal_info *info)
{
	return info->words[SIGINFO_CODE];
}

static inline int32_t signal_sender(const struct signal_info *info)
{
	return info->words[SIGINFO_PID];
}

/* The kernel's timespec for the old calls: the machine's long on every architecture here. */
struct kernel_time {
	long seconds, nanoseconds;
};

#define SYS(number, ...) SYS_PICK(__VA_ARGS__, sys5, sys4, sys3, sys2, sys1)(number, __VA_ARGS__)
#define SYS_PICK(a, b, c, d, e, pick, ...) pick

/* The one call shape without arguments. */
#define SYS0(number) syscall0(number)

#define sys1(n, a) syscall1(n, (long)(a))
#define sys2(n, a, b) syscall2(n, (long)(a), (long)(b))
#define sys3(n, a, b, c) syscall3(n, (long)(a), (long)(b), (long)(c))
#define sys4(n, a, b, c, d) syscall4(n, (long)(a), (long)(b), (long)(c), (long)(d))
#define sys5(n, a, b, c, d, e) syscall5(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

/* For what is between one wait and the next: a processor that was in the kernel has forgotten where to return to, and guessing
   wrong takes as long as a system call. */
#if defined(INITWRAP_FREESTANDING) && defined(__clang__)
#define WITHOUT_RETURN __attribute__((always_inline))
#else
#define WITHOUT_RETURN
#endif

_Noreturn static inline void sys_exit(int code)
{
	for (;;)
		SYS(NR_exit_group, code);
}

/* Not inlined, for it is long and rare. */
__attribute__((noinline, unused)) static int sys_open(const char *path, int flags)
{
	return (int)SYS(NR_openat, AT_CWD, path, flags | OPEN_CLOEXEC, 0644);
}

static inline long sys_kill(int pid, int signal)
{
	return SYS(NR_kill, pid, signal);
}

#endif
