/* The system call numbers that newer architectures share: include/uapi/asm-generic/unistd.h of the kernel. */
enum {
	NR_ioctl = 29, NR_faccessat = 48, NR_chdir = 49, NR_fchdir = 50, NR_openat = 56, NR_close = 57, NR_getdents64 = 61, NR_read = 63, NR_write = 64,
	NR_ppoll = 73, NR_exit_group = 94, NR_waitid = 95, NR_clock_gettime = 113, NR_kill = 129, NR_rt_sigaction = 134,
	NR_rt_sigprocmask = 135, NR_rt_sigtimedwait = 137, NR_rt_sigqueueinfo = 138, NR_setpgid = 154, NR_getpgid = 155,
	NR_getsid = 156, NR_setsid = 157, NR_prctl = 167, NR_getpid = 172, NR_getppid = 173, NR_clone = 220, NR_execve = 221, NR_wait4 = 260,
	NR_pidfd_send_signal = 424, NR_pidfd_open = 434, NR_close_range = 436
};
