/* amd64. Calling convention: syscall(2); numbers: arch/x86/entry/syscalls/syscall_64.tbl of the kernel. */
#ifndef INITWRAP_ARCH_H
#define INITWRAP_ARCH_H

enum {
	NR_read = 0, NR_write = 1, NR_close = 3, NR_rt_sigaction = 13, NR_rt_sigprocmask = 14, NR_ioctl = 16, NR_getpid = 39,
	NR_clone = 56, NR_execve = 59, NR_wait4 = 61, NR_kill = 62, NR_chdir = 80, NR_fchdir = 81, NR_setpgid = 109,
	NR_getppid = 110, NR_setsid = 112, NR_getpgid = 121, NR_getsid = 124, NR_rt_sigtimedwait = 128,
	NR_rt_sigqueueinfo = 129, NR_prctl = 157, NR_clock_gettime = 228, NR_exit_group = 231, NR_waitid = 247,
	NR_openat = 257, NR_faccessat = 269, NR_ppoll = 271, NR_pidfd_send_signal = 424,
	NR_pidfd_open = 434, NR_getdents64 = 217, NR_close_range = 436
};

#include "../common/layout64.h"
#include "../common/terminal.h"

#define SYSCALL_BODY(...)                                                                                              \
	long result;                                                                                                   \
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), __VA_ARGS__ : "rcx", "r11", "memory");                \
	return result

__attribute__((always_inline)) static inline long syscall0(long number)
{
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
	return result;
}

__attribute__((always_inline)) static inline long syscall1(long number, long a)
{
	SYSCALL_BODY("D"(a));
}

__attribute__((always_inline)) static inline long syscall2(long number, long a, long b)
{
	SYSCALL_BODY("D"(a), "S"(b));
}

__attribute__((always_inline)) static inline long syscall3(long number, long a, long b, long c)
{
	SYSCALL_BODY("D"(a), "S"(b), "d"(c));
}

__attribute__((always_inline)) static inline long syscall4(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	SYSCALL_BODY("D"(a), "S"(b), "d"(c), "r"(r10));
}

__attribute__((always_inline)) static inline long syscall5(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	SYSCALL_BODY("D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8));
}

#define CLONE_SAME_STACK(flags) syscall5(NR_clone, flags, 0, 0, 0, 0)

/* The kernel leaves argc, argv and the environment at the stack pointer. */
#define START                                                                                                          \
	__asm__(".globl _start\n_start:\n"                                                                             \
		"xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start\n")

#endif
