/* riscv64. Calling convention: syscall(2). */
#ifndef INITWRAP_ARCH_H
#define INITWRAP_ARCH_H

#include "../common/layout64.h"
#include "../common/numbers.h"
#include "../common/terminal.h"

__attribute__((always_inline)) static inline long syscall5(long number, long a, long b, long c, long d, long e)
{
	register long nr __asm__("a7") = number;
	register long ra __asm__("a0") = a;
	register long rb __asm__("a1") = b;
	register long rc __asm__("a2") = c;
	register long rd __asm__("a3") = d;
	register long re __asm__("a4") = e;
	__asm__ volatile("ecall" : "+r"(ra) : "r"(nr), "r"(rb), "r"(rc), "r"(rd), "r"(re) : "memory");
	return ra;
}

#include "../common/calls.h"
#define CLONE_SAME_STACK(flags) syscall5(NR_clone, flags, 0, 0, 0, 0)

/* The kernel leaves argc, argv and the environment at the stack pointer. */
#define START __asm__(".globl _start\n_start:\n li ra, 0\n mv a0, sp\n andi sp, sp, -16\n call start\n")

#endif
