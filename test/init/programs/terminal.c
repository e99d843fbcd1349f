/* Runs a command with a new pseudo-terminal as its controlling terminal and standard streams, copying stdin to it and its
   output to stdout; ends as the command ended. At the end of stdin it hangs up. -r: the command's stdin is /dev/null.
   -t: TOSTOP is set. -f: free, the controlling terminal of nobody yet. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

int main(int argc, char **argv)
{
	int redirect = 0, tostop = 0, available = 0, option, master, slave, status;
	while ((option = getopt(argc, argv, "+rtf")) != -1) option == 'r' ? (redirect = 1) : option == 't' ? (tostop = 1) : (available = 1);
	if (openpty(&master, &slave, NULL, NULL, NULL) != 0) return 98;
	pid_t pid = fork();
	if (pid == 0) {
		close(master);
		if (!available) login_tty(slave);
		else for (int i = 0; i < 3; i++) dup2(slave, i);
		if (slave > 2) close(slave);
		struct termios modes;
		tcgetattr(1, &modes);
		modes.c_lflag &= ~(tcflag_t)ECHO;
		if (tostop) modes.c_lflag |= TOSTOP;
		tcsetattr(1, TCSANOW, &modes);
		if (redirect) { int null = open("/dev/null", O_RDONLY); dup2(null, 0); close(null); }
		execv(argv[optind], argv + optind);
		_exit(98);
	}
	close(slave);
	struct pollfd polls[2] = { { 0, POLLIN, 0 }, { master, POLLIN, 0 } };
	char bytes[4096];
	for (;;) {
		poll(polls, 2, -1);
		if (polls[1].revents) {
			ssize_t length = read(master, bytes, sizeof bytes);
			if (length <= 0) break;
			if (write(1, bytes, (size_t)length) < 0) break;
		}
		if (polls[0].revents) {
			ssize_t length = read(0, bytes, sizeof bytes);
			if (length <= 0) { close(master); break; }
			if (bytes[0] == 'W' && length == 2) { struct winsize size = { 11, 22, 0, 0 }; ioctl(master, TIOCSWINSZ, &size); }
			else if (write(master, bytes, (size_t)length) < 0) break;
		}
	}
	while (waitpid(pid, &status, 0) < 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}
