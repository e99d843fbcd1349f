/* Open flags, late error numbers and the like of most architectures: include/uapi/asm-generic/{fcntl,errno,
   signal-defs}.h of the kernel. */
enum { OPEN_CREATE = 0100, OPEN_NO_TTY = 0400, OPEN_TRUNCATE = 01000, OPEN_CLOEXEC = 02000000 };
enum { ERROR_NAME_TOO_LONG = 36, ERROR_LOOP = 40 };
enum { MASK_SET = 2 };
