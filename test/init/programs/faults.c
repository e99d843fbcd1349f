/* A main child that gives the init something of everything to do: a signal, a queued one, a stop signal, an orphan, and
   then TERM after TERM, until one arrives. It ends with 7. A helper in a session of its own sends the signals, so that a
   stopped main child is no hindrance. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void nap(long milliseconds)
{
	struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
	nanosleep(&time, NULL);
}

static void note(int number) { (void)number; }

static void end(int number)
{
	(void)number;
	_exit(7);
}

int main(void)
{
	pid_t init = getppid();
	signal(SIGUSR1, note);
	signal(SIGUSR2, note);
	signal(40, note);
	signal(SIGTERM, end);
	if (fork() == 0) {
		setsid();
		if (fork() == 0) {
			siginfo_t info;
			memset(&info, 0, sizeof info);
			info.si_signo = 40;
			info.si_code = SI_QUEUE;
			info.si_pid = getpid();
			kill(init, SIGUSR1);
			syscall(SYS_rt_sigqueueinfo, init, 40, &info);
			nap(10);
			kill(init, SIGTSTP);
			for (;;) { /* until it is killed: its death must not be what helps the init */
				nap(10);
				kill(init, SIGTERM);
			}
		}
		_exit(0); /* its child, and at the end it as well, are the init's to reap */
	}
	for (;;)
		pause();
}
