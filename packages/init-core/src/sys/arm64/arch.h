/* arm64. Calling convention: syscall(2). */
#ifndef INITWRAP_ARCH_H
#define INITWRAP_ARCH_H

#include "../common/layout64.h"
#include "../common/numbers.h"
#include "../common/terminal.h"

__attribute__((always_inline)) static inline long syscall5(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}

#include "../common/calls.h"
#define CLONE_SAME_STACK(flags) syscall5(NR_clone, flags, 0, 0, 0, 0)

/* The kernel leaves argc, argv and the environment at the stack pointer, which is aligned. */
#define START __asm__(".globl _start\n_start:\n mov x29, xzr\n mov x30, xzr\n mov x0, sp\n bl start\n")

#endif
