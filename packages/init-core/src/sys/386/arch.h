/* 386. Calling convention: syscall(2); numbers: arch/x86/entry/syscalls/syscall_32.tbl of the kernel. */
#ifndef INITWRAP_ARCH_H
#define INITWRAP_ARCH_H

enum {
	NR_read = 3, NR_write = 4, NR_close = 6, NR_execve = 11, NR_chdir = 12, NR_getpid = 20, NR_kill = 37,
	NR_ioctl = 54, NR_setpgid = 57, NR_getppid = 64, NR_setsid = 66, NR_wait4 = 114, NR_clone = 120,
	NR_getpgid = 132, NR_fchdir = 133, NR_getsid = 147, NR_prctl = 172, NR_rt_sigaction = 174, NR_rt_sigprocmask = 175,
	NR_rt_sigtimedwait = 177, NR_rt_sigqueueinfo = 178, NR_exit_group = 252, NR_clock_gettime = 265,
	NR_waitid = 284, NR_openat = 295, NR_faccessat = 307, NR_ppoll = 309,
	NR_pidfd_send_signal = 424, NR_pidfd_open = 434, NR_getdents64 = 220, NR_close_range = 436
};

#include "../common/layout32.h"
#include "../common/terminal.h"

__attribute__((always_inline)) static inline long syscall5(long number, long a, long b, long c, long d, long e)
{
	long result;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
	return result;
}

#include "../common/calls.h"
#define CLONE_SAME_STACK(flags) syscall5(NR_clone, flags, 0, 0, 0, 0)

/* The kernel leaves argc, argv and the environment at the stack pointer. */
#define START                                                                                                          \
	__asm__(".globl _start\n_start:\n"                                                                             \
		"xor %ebp, %ebp\n mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n call start\n")

#endif
