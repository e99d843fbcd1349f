/* The least that is still an init: blocks every signal, starts the command in a group of its own in the foreground,
   forwards signals to it, reaps, and ends as it ended. No options, no PATH, no groups, no messages. amd64 alone, no libc.
   Not a product: the benchmark compares with it what an init costs beyond what it cannot do without. */
#define NORETURN __attribute__((noreturn))

enum { KILL = 62, WAIT4 = 61, EXECVE = 59, VFORK = 58, SIGPROCMASK = 14, IOCTL = 16, GETPID = 39, SETPGID = 109,
       SIGTIMEDWAIT = 128, EXIT_GROUP = 231 };

static inline long call(long number, long a, long b, long c, long d)
{
	register long fourth __asm__("r10") = d;
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
	return result;
}

NORETURN static inline void leave(long code)
{
	for (;;)
		call(EXIT_GROUP, code, 0, 0, 0);
}

NORETURN __attribute__((used)) static void run(long *stack)
{
	char **command = (char **)(stack + 2), **environment = (char **)(stack + 1) + stack[0] + 1;
	unsigned long every = ~0ul, inherited;
	int information[32], status;

	if (stack[0] < 2)
		leave(125);
	if (command[0][0] == '-' && command[0][1] == '-' && !command[0][2])
		command++;
	call(SIGPROCMASK, 2, (long)&every, (long)&inherited, 8);
	long child = call(VFORK, 0, 0, 0, 0);
	if (child == 0) {
		call(SETPGID, 0, 0, 0, 0);
		int group = (int)call(GETPID, 0, 0, 0, 0);
		call(IOCTL, 0, 0x5410 /* TIOCSPGRP */, (long)&group, 0);
		call(SIGPROCMASK, 2, (long)&inherited, 0, 8);
		leave(call(EXECVE, (long)*command, (long)command, (long)environment, 0) == -2 ? 127 : 126);
	}
	for (;;) {
		long number = call(SIGTIMEDWAIT, (long)&every, (long)information, 0, 8);
		if (number == 17) {
			long pid;
			while ((pid = call(WAIT4, -1, (long)&status, 1, 0)) > 0)
				if (pid == child)
					leave(status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 255);
		} else if (number > 0) {
			call(KILL, child, number, 0, 0);
		}
	}
}

__attribute__((naked, noreturn)) void _start(void)
{
	__asm__("mov %rsp, %rdi\n\tand $-16, %rsp\n\tcall run");
}
