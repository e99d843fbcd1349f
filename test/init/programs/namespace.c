/* Runs a command as PID 1 of a new PID namespace with a /proc of its own, and ends as it ended.

   namespace [-i] [-0] [-n] [-u UID] [-p PROCESSES] [-f COUNT] -- COMMAND...
     -i  SIGCHLD ignored                -0  descriptors 0, 1 and 2 closed
     -n  no namespace, a plain child    -u  as this user, without privileges
     -p  RLIMIT_NPROC                   -s  in a session of its own
   Descriptor 3 gets the command's pid as seen from here, then is closed. Everything else is inherited. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int option, ignore = 0, closed = 0, plain = 0, session = 0;
	long user = -1, processes = -1;
	while ((option = getopt(argc, argv, "+i0nsu:p:")) != -1) {
		switch (option) {
		case 'i': ignore = 1; break;
		case '0': closed = 1; break;
		case 'n': plain = 1; break;
		case 's': session = 1; break;
		case 'u': user = atol(optarg); break;
		case 'p': processes = atol(optarg); break;
		default: return 99;
		}
	}
	int flags = plain ? 0 : CLONE_NEWPID | CLONE_NEWNS;
	if (!plain && geteuid() != 0) {
		char map[64];
		int uid = getuid(), gid = getgid();
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) { perror("unshare"); return 98; }
		int file = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
		if (file >= 0) { if (write(file, "deny", 4) < 0) return 98; close(file); }
		file = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
		if (write(file, map, sprintf(map, "0 %d 1", uid)) < 0) { perror("uid_map"); return 98; }
		close(file);
		file = open("/proc/self/gid_map", O_WRONLY | O_CLOEXEC);
		if (write(file, map, sprintf(map, "0 %d 1", gid)) < 0) { perror("gid_map"); return 98; }
		close(file);
	}
	pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0) { perror("clone"); return 98; }
	if (pid == 0) {
		close(3);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (session) setsid();
		if (!plain && (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("proc", "/proc", "proc", 0, NULL) != 0)) {
			perror("mount"); _exit(98);
		}
		if (processes >= 0) {
			struct rlimit limit = { (rlim_t)processes, (rlim_t)processes };
			setrlimit(RLIMIT_NPROC, &limit);
		}
		if (user >= 0 && (setgroups(0, NULL) != 0 || setgid((gid_t)user) != 0 || setuid((uid_t)user) != 0)) { perror("setuid"); _exit(98); }
		if (ignore) signal(SIGCHLD, SIG_IGN);
		if (closed) { close(0); close(1); close(2); }
		execv(argv[optind], argv + optind);
		perror(argv[optind]);
		_exit(98);
	}
	dprintf(3, "%d\n", pid);
	close(3);
	signal(SIGINT, SIG_IGN);
	int status;
	while (waitpid(pid, &status, 0) < 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}
