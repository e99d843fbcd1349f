/* loong64. Calling convention: Documentation/arch/loongarch of the kernel; a call may change all t registers. */
#ifndef INITWRAP_ARCH_H
#define INITWRAP_ARCH_H

#include "../common/layout64.h"
#include "../common/numbers.h"
#include "../common/terminal.h"

__attribute__((always_inline)) static inline long syscall5(long number, long a, long b, long c, long d, long e)
{
	register long nr __asm__("$a7") = number;
	register long ra __asm__("$a0") = a;
	register long rb __asm__("$a1") = b;
	register long rc __asm__("$a2") = c;
	register long rd __asm__("$a3") = d;
	register long re __asm__("$a4") = e;
	__asm__ volatile("syscall 0"
			 : "+r"(ra)
			 : "r"(nr), "r"(rb), "r"(rc), "r"(rd), "r"(re)
			 : "$t0", "$t1", "$t2", "$t3", "$t4", "$t5", "$t6", "$t7", "$t8", "memory");
	return ra;
}

#include "../common/calls.h"
#define CLONE_SAME_STACK(flags) syscall5(NR_clone, flags, 0, 0, 0, 0)

/* The kernel leaves argc, argv and the environment at the stack pointer. */
#define START                                                                                                          \
	__asm__(".globl _start\n_start:\n move $ra, $zero\n move $a0, $sp\n bstrins.d $sp, $zero, 3, 0\n bl start\n")

#endif
