/* mips64le, ABI n64. Calling convention: syscall(2): an error is a positive number with register 7 set.
   Numbers: arch/mips/kernel/syscalls/syscall_n64.tbl of the kernel. Nearly every other constant differs as well. */
#ifndef INITWRAP_ARCH_H
#define INITWRAP_ARCH_H

enum {
	NR_read = 5000, NR_write = 5001, NR_close = 5003, NR_rt_sigaction = 5013, NR_rt_sigprocmask = 5014,
	NR_ioctl = 5015, NR_getpid = 5038, NR_clone = 5055, NR_execve = 5057, NR_wait4 = 5059, NR_kill = 5060,
	NR_chdir = 5078, NR_fchdir = 5079, NR_setpgid = 5107, NR_getppid = 5108, NR_setsid = 5110, NR_getpgid = 5119, NR_getsid = 5122,
	NR_rt_sigtimedwait = 5126, NR_rt_sigqueueinfo = 5127, NR_prctl = 5153, NR_exit_group = 5205,
	NR_clock_gettime = 5222, NR_waitid = 5237, NR_openat = 5247, NR_faccessat = 5259, NR_ppoll = 5261,
	NR_pidfd_send_signal = 5424, NR_pidfd_open = 5434, NR_getdents64 = 5308, NR_close_range = 5436
};

/* arch/mips/include/uapi/asm/{siginfo,signal}.h: the code comes before the error number, the flags before the handler. */
enum { SIGINFO_CODE = 1, SIGINFO_PID = 4, SIGACTION_HANDLER = 1, SIGACTION_WORDS = 4 };
/* arch/mips/include/uapi/asm/{ioctls,fcntl,errno,signal,resource}.h */
enum { TTY_TAKE = 0x5480, TTY_LEAVE = 0x5471 };
static const unsigned TTY_GET_GROUP = 0x40047477, TTY_SET_GROUP = 0x80047476;
enum { OPEN_CREATE = 0x100, OPEN_NO_TTY = 0x800, OPEN_TRUNCATE = 0x200, OPEN_CLOEXEC = 0x80000 };
enum { ERROR_NAME_TOO_LONG = 78, ERROR_LOOP = 90 };
enum { MASK_SET = 3 };

__attribute__((always_inline)) static inline long syscall5(long number, long a, long b, long c, long d, long e)
{
	register long nr __asm__("$2") = number;
	register long ra __asm__("$4") = a;
	register long rb __asm__("$5") = b;
	register long rc __asm__("$6") = c;
	register long rd __asm__("$7") = d;
	register long re __asm__("$8") = e;
	__asm__ volatile("syscall\n beqz $7, 1f\n dnegu $2, $2\n1:"
			 : "+r"(nr), "+r"(rd)
			 : "r"(ra), "r"(rb), "r"(rc), "r"(re)
			 : "$1", "$3", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$24", "$25", "hi", "lo", "memory");
	return nr;
}

#include "../common/calls.h"
#define CLONE_SAME_STACK(flags) syscall5(NR_clone, flags, 0, 0, 0, 0)

/* The kernel leaves argc, argv and the environment at the stack pointer. */
#define START                                                                                                          \
	__asm__(".globl _start\n.ent _start\n_start:\n .set push\n .set noreorder\n move $31, $0\n move $4, $29\n"       \
		" daddiu $8, $0, -16\n and $29, $29, $8\n jal start\n nop\n .set pop\n.end _start\n")

#endif
