/* Terminal requests: include/uapi/asm-generic/ioctls.h of the kernel. */
enum { TTY_TAKE = 0x540e, TTY_GET_GROUP = 0x540f, TTY_SET_GROUP = 0x5410, TTY_LEAVE = 0x5422 };
#include "errors.h"
