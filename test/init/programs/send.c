/* send PID SIGNAL [VALUE [COUNT]]: kill(2), or sigqueue(3) with VALUE, VALUE + 1, ... The raw calls, so that no signal is
   off limits. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int pid = atoi(argv[1]), number = atoi(argv[2]), count = argc > 4 ? atoi(argv[4]) : 1;
	for (int i = 0; i < count; i++) {
		long result;
		if (argc > 3 && strcmp(argv[3], "-")) {
			siginfo_t info;
			memset(&info, 0, sizeof info);
			info.si_signo = number;
			info.si_code = SI_QUEUE;
			info.si_pid = getpid();
			info.si_uid = getuid();
			info.si_value.sival_int = atoi(argv[3]) + i;
			result = syscall(SYS_rt_sigqueueinfo, pid, number, &info);
		} else {
			result = syscall(SYS_kill, pid, number);
		}
		if (result != 0) { perror("send"); return 1; }
	}
	return 0;
}
