/* ppc64le, ELFv2. Calling convention: Documentation/arch/powerpc/syscall64-abi.rst of the kernel: an error is a positive
   number with the summary overflow bit set. Numbers: arch/powerpc/kernel/syscalls/syscall.tbl. */
#ifndef INITWRAP_ARCH_H
#define INITWRAP_ARCH_H

enum {
	NR_read = 3, NR_write = 4, NR_close = 6, NR_execve = 11, NR_chdir = 12, NR_getpid = 20, NR_kill = 37,
	NR_ioctl = 54, NR_setpgid = 57, NR_getppid = 64, NR_setsid = 66, NR_wait4 = 114, NR_clone = 120,
	NR_getpgid = 132, NR_fchdir = 133, NR_getsid = 147, NR_prctl = 171, NR_rt_sigaction = 173, NR_rt_sigprocmask = 174,
	NR_rt_sigtimedwait = 176, NR_rt_sigqueueinfo = 177, NR_exit_group = 234, NR_clock_gettime = 246,
	NR_waitid = 272, NR_ppoll = 281, NR_openat = 286, NR_faccessat = 298,
	NR_pidfd_send_signal = 424, NR_pidfd_open = 434, NR_getdents64 = 202, NR_close_range = 436
};

#include "../common/layout64.h"

/* Two of the terminal's requests have BSD's numbers here: arch/powerpc/include/uapi/asm/ioctls.h. */
enum { TTY_TAKE = 0x540e, TTY_LEAVE = 0x5422 };
static const unsigned TTY_GET_GROUP = 0x40047477, TTY_SET_GROUP = 0x80047476;
#include "../common/errors.h"

__attribute__((always_inline)) static inline long syscall5(long number, long a, long b, long c, long d, long e)
{
	register long nr __asm__("r0") = number;
	register long ra __asm__("r3") = a;
	register long rb __asm__("r4") = b;
	register long rc __asm__("r5") = c;
	register long rd __asm__("r6") = d;
	register long re __asm__("r7") = e;
	__asm__ volatile("sc\n bns+ 1f\n neg %1, %1\n1:"
			 : "+r"(nr), "+r"(ra), "+r"(rb), "+r"(rc), "+r"(rd), "+r"(re)
			 :
			 : "cr0", "ctr", "xer", "r8", "r9", "r10", "r11", "r12", "memory");
	return ra;
}

#include "../common/calls.h"
#define CLONE_SAME_STACK(flags) syscall5(NR_clone, flags, 0, 0, 0, 0)

/* The kernel leaves argc, argv and the environment at the stack pointer. r2 is the table through which data is found. */
#define START                                                                                                          \
	__asm__(".globl _start\n_start:\n lis 2, .TOC.@ha\n addi 2, 2, .TOC.@l\n mr 3, 1\n clrrdi 1, 1, 4\n"           \
		" li 0, 0\n stdu 0, -32(1)\n mtlr 0\n bl start\n nop\n")

#endif
