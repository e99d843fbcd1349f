/* Runs a command as PID 1 of a new PID namespace with a /proc of its own, and ends as it ended.

   namespace [OPTIONS] -- COMMAND...
     -i  SIGCHLD ignored                -0  descriptors 0, 1 and 2 closed
     -n  no namespace, a plain child    -u UID  as this user, without privileges
     -p COUNT  RLIMIT_NPROC             -s  in a session of its own
     -c  leads a session, its standard output being the controlling terminal
     -b  HUP, USR1 and RTMIN+6 blocked  -w  no_new_privs
     -o  every file system read-only    -m  without /proc
     -k N  sends it TERM after its Nth system call
     -t MICROSECONDS  sends it TERM that long after its exec
     -z  with a dead child that nobody has waited for
   Descriptor 3 gets the command's pid as seen from here, then is closed. Everything else is inherited. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Every mount that there is, read-only; what is mounted below another is at the end of the list. */
static int make_read_only(void)
{
	char line[4096], *points[512];
	int count = 0;
	FILE *mounts = fopen("/proc/self/mountinfo", "r");
	if (!mounts)
		return -1;
	while (count < 512 && fgets(line, sizeof line, mounts))
		if (sscanf(line, "%*s %*s %*s %*s %ms", &points[count]) == 1)
			count++;
	fclose(mounts);
	for (int i = 0; i < count; i++)
		if (mount(NULL, points[i], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) != 0 && !strcmp(points[i], "/"))
			return -1;
	return 0;
}

/* A tracee stands at its exec. Lets it make `calls` system calls, sends TERM and lets it go. */
static void signal_after(pid_t pid, int calls)
{
	int status;
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		exit(98);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
	/* Up to the entry of the one after the last: what lies between two calls belongs to the first. */
	for (int stops = 0; stops < 2 * calls + 1; stops++) {
		do {
			ptrace(PTRACE_SYSCALL, pid, 0, 0);
			if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
				exit(97);
		} while (WSTOPSIG(status) != (SIGTRAP | 0x80));
	}
	kill(pid, SIGTERM);
	ptrace(PTRACE_DETACH, pid, 0, 0);
}

int main(int argc, char **argv)
{
	int option, ignore = 0, closed = 0, plain = 0, session = 0, terminal = 0, block = 0, fixed = 0, frozen = 0, bare = 0, dead = 0;
	int executed[2], calls = -1;
	long moment = -1;
	long user = -1, processes = -1;
	while ((option = getopt(argc, argv, "+i0nscbwomzu:p:k:t:")) != -1) {
		switch (option) {
		case 'i': ignore = 1; break;
		case '0': closed = 1; break;
		case 'n': plain = 1; break;
		case 's': session = 1; break;
		case 'c': session = terminal = 1; break;
		case 'b': block = 1; break;
		case 'w': fixed = 1; break;
		case 'o': frozen = 1; break;
		case 'm': bare = 1; break;
		case 'k': calls = atoi(optarg); break;
		case 't': moment = atol(optarg); break;
		case 'z': dead = 1; break;
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
	if (pipe2(executed, O_CLOEXEC) != 0) return 98;
	pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0) { perror("clone"); return 98; }
	if (pid == 0) {
		close(3);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (session) setsid();
		if (terminal && ioctl(1, TIOCSCTTY, 0) != 0) { perror("TIOCSCTTY"); _exit(98); }
		if (!plain && (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("proc", "/proc", "proc", 0, NULL) != 0)) {
			perror("mount"); _exit(98);
		}
		if (frozen && make_read_only() != 0) { perror("read-only"); _exit(98); }
		if (bare && umount2("/proc", MNT_DETACH) != 0) { perror("umount"); _exit(98); }
		if (processes >= 0) {
			struct rlimit limit = { (rlim_t)processes, (rlim_t)processes };
			setrlimit(RLIMIT_NPROC, &limit);
		}
		if (user >= 0 && (setgroups(0, NULL) != 0 || setgid((gid_t)user) != 0 || setuid((uid_t)user) != 0)) { perror("setuid"); _exit(98); }
		if (fixed) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (block) {
			sigset_t set;
			sigemptyset(&set);
			sigaddset(&set, SIGHUP);
			sigaddset(&set, SIGUSR1);
			sigaddset(&set, 40);
			sigprocmask(SIG_BLOCK, &set, NULL);
		}
		if (dead) {
			siginfo_t info;
			pid_t child = fork();
			if (child == 0) _exit(5);
			waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
		}
		if (ignore) signal(SIGCHLD, SIG_IGN);
		if (closed) { close(0); close(1); close(2); }
		if (calls >= 0) ptrace(PTRACE_TRACEME, 0, 0, 0);
		execv(argv[optind], argv + optind);
		perror(argv[optind]);
		_exit(98);
	}
	dprintf(3, "%d\n", pid);
	close(3);
	close(executed[1]);
	if (calls >= 0) signal_after(pid, calls);
	if (moment >= 0) {
		char byte;
		while (read(executed[0], &byte, 1) > 0)
			;
		nanosleep(&(struct timespec){ 0, moment * 1000 }, NULL);
		kill(pid, SIGTERM);
	}
	signal(SIGINT, SIG_IGN);
	int status;
	while (waitpid(pid, &status, 0) < 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}
