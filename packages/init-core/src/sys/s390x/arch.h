/* s390x. Calling convention: syscall(2); numbers: arch/s390/kernel/syscalls/syscall.tbl of the kernel. */
#ifndef INITWRAP_ARCH_H
#define INITWRAP_ARCH_H

enum {
	NR_read = 3, NR_write = 4, NR_close = 6, NR_execve = 11, NR_chdir = 12, NR_getpid = 20, NR_kill = 37,
	NR_ioctl = 54, NR_setpgid = 57, NR_getppid = 64, NR_setsid = 66, NR_wait4 = 114, NR_clone = 120,
	NR_getpgid = 132, NR_fchdir = 133, NR_getsid = 147, NR_prctl = 172, NR_rt_sigaction = 174, NR_rt_sigprocmask = 175,
	NR_rt_sigtimedwait = 177, NR_rt_sigqueueinfo = 178, NR_exit_group = 248, NR_clock_gettime = 260,
	NR_waitid = 281, NR_openat = 288, NR_faccessat = 300, NR_ppoll = 302,
	NR_pidfd_send_signal = 424, NR_pidfd_open = 434, NR_getdents64 = 220, NR_close_range = 436
};

#include "../common/layout64.h"
#include "../common/terminal.h"

__attribute__((always_inline)) static inline long syscall5(long number, long a, long b, long c, long d, long e)
{
	register long nr __asm__("r1") = number;
	register long ra __asm__("r2") = a;
	register long rb __asm__("r3") = b;
	register long rc __asm__("r4") = c;
	register long rd __asm__("r5") = d;
	register long re __asm__("r6") = e;
	__asm__ volatile("svc 0" : "+d"(ra) : "d"(nr), "d"(rb), "d"(rc), "d"(rd), "d"(re) : "cc", "memory");
	return ra;
}

#include "../common/calls.h"

/* Here alone clone takes the stack first. */
#define CLONE_SAME_STACK(flags) syscall5(NR_clone, 0, flags, 0, 0, 0)

/* The kernel leaves argc, argv and the environment at the stack pointer; a callee may store 160 bytes above its own. */
#define START                                                                                                          \
	__asm__(".globl _start\n_start:\n lgr %r2, %r15\n lghi %r0, -16\n ngr %r15, %r0\n aghi %r15, -160\n"          \
		" xc 0(8,%r15), 0(%r15)\n brasl %r14, start\n")

#endif
