/* siginfo_t and sigaction of the 32-bit ABIs: include/uapi/asm-generic/siginfo.h, signal.h of the kernel. */
enum { SIGINFO_CODE = 2, SIGINFO_PID = 3 };
/* Which machine word of the kernel's sigaction is the handler, and how many words hold all of it. */
enum { SIGACTION_HANDLER = 0, SIGACTION_WORDS = 5 };
