/* arm, EABI. Calling convention: syscall(2); numbers: arch/arm/tools/syscall.tbl of the kernel. */
#ifndef INITWRAP_ARCH_H
#define INITWRAP_ARCH_H

enum {
	NR_read = 3, NR_write = 4, NR_close = 6, NR_execve = 11, NR_chdir = 12, NR_getpid = 20, NR_kill = 37,
	NR_ioctl = 54, NR_setpgid = 57, NR_getppid = 64, NR_setsid = 66, NR_wait4 = 114, NR_clone = 120,
	NR_getpgid = 132, NR_fchdir = 133, NR_getsid = 147, NR_prctl = 172, NR_rt_sigaction = 174, NR_rt_sigprocmask = 175,
	NR_rt_sigtimedwait = 177, NR_rt_sigqueueinfo = 178, NR_exit_group = 248, NR_clock_gettime = 263,
	NR_waitid = 280, NR_openat = 322, NR_faccessat = 334, NR_ppoll = 336,
	NR_pidfd_send_signal = 424, NR_pidfd_open = 434, NR_getdents64 = 217, NR_close_range = 436
};

#include "../common/layout32.h"
#include "../common/terminal.h"

__attribute__((always_inline)) static inline long syscall5(long number, long a, long b, long c, long d, long e)
{
	register long nr __asm__("r7") = number;
	register long ra __asm__("r0") = a;
	register long rb __asm__("r1") = b;
	register long rc __asm__("r2") = c;
	register long rd __asm__("r3") = d;
	register long re __asm__("r4") = e;
	__asm__ volatile("svc #0" : "+r"(ra) : "r"(nr), "r"(rb), "r"(rc), "r"(rd), "r"(re) : "memory");
	return ra;
}

#include "../common/calls.h"
#define CLONE_SAME_STACK(flags) syscall5(NR_clone, flags, 0, 0, 0, 0)

/* The kernel leaves argc, argv and the environment at the stack pointer. */
#define START __asm__(".globl _start\n_start:\n mov fp, #0\n mov lr, #0\n mov r0, sp\n bic sp, sp, #7\n bl start\n")

#endif
