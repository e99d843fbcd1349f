/* Terminal requests, open flags and late error numbers: include/uapi/asm-generic/{ioctls,fcntl,errno}.h of the kernel. */
enum { TTY_TAKE = 0x540e, TTY_GET_GROUP = 0x540f, TTY_SET_GROUP = 0x5410, TTY_LEAVE = 0x5422 };
enum { OPEN_CREATE = 0100, OPEN_NO_TTY = 0400, OPEN_TRUNCATE = 01000, OPEN_CLOEXEC = 02000000 };
enum { ERROR_NAME_TOO_LONG = 36, ERROR_LOOP = 40 };
